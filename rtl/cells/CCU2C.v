// Two bits of a carry chain of ECP5. Each bit is a lookup table of A to D; where it gives 0, the carry out is what the table
// gives for A and B alone (C and D at 0), else it is the carry in. Written as multiplexers of constants, which simulators fold.
module CCU2C (
    input CIN, A0, B0, C0, D0, A1, B1, C1, D1,
    output S0, S1, COUT
);
    parameter [15:0] INIT0 = 16'h0000, INIT1 = 16'h0000;
    parameter INJECT1_0 = "NO", INJECT1_1 = "NO";
    wire low0 = (B0 ? (A0 ? INIT0[3] : INIT0[2]) : (A0 ? INIT0[1] : INIT0[0]));
    wire table0 = D0 ? (C0 ? (B0 ? (A0 ? INIT0[15] : INIT0[14]) : (A0 ? INIT0[13] : INIT0[12])) : (B0 ? (A0 ? INIT0[11] : INIT0[10]) : (A0 ? INIT0[9] : INIT0[8])))
        : (C0 ? (B0 ? (A0 ? INIT0[7] : INIT0[6]) : (A0 ? INIT0[5] : INIT0[4])) : low0);
    wire low1 = (B1 ? (A1 ? INIT1[3] : INIT1[2]) : (A1 ? INIT1[1] : INIT1[0]));
    wire table1 = D1 ? (C1 ? (B1 ? (A1 ? INIT1[15] : INIT1[14]) : (A1 ? INIT1[13] : INIT1[12])) : (B1 ? (A1 ? INIT1[11] : INIT1[10]) : (A1 ? INIT1[9] : INIT1[8])))
        : (C1 ? (B1 ? (A1 ? INIT1[7] : INIT1[6]) : (A1 ? INIT1[5] : INIT1[4])) : low1);
    wire carry0 = table0 ? CIN : low0;
    assign S0 = table0 ^ CIN;
    assign S1 = table1 ^ carry0;
    assign COUT = table1 ? carry0 : low1;

    initial
        if (INJECT1_0 != "NO" || INJECT1_1 != "NO") begin
            $display("CCU2C: INJECT1 is not modelled");
            $finish;
        end
endmodule
