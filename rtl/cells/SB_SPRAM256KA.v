// The single-port memory of iCE40 UltraPlus: 16,384 words of 16 bits, undefined at the start; a word is read a cycle later.
module SB_SPRAM256KA (
    input [13:0] ADDRESS,
    input [15:0] DATAIN,
    input [3:0] MASKWREN,
    input WREN, CHIPSELECT, CLOCK, STANDBY, SLEEP, POWEROFF,
    output reg [15:0] DATAOUT
);
    reg [15:0] memory [0:16383];
    wire [15:0] mask = {{4{MASKWREN[3]}}, {4{MASKWREN[2]}}, {4{MASKWREN[1]}}, {4{MASKWREN[0]}}};
    always @(posedge CLOCK) begin
        if (STANDBY | SLEEP | ~POWEROFF) begin
            $display("SB_SPRAM256KA: power modes are not modelled");
            $finish;
        end
        if (CHIPSELECT) begin
            // What a write shows at the output is undefined.
            if (WREN) memory[ADDRESS] <= memory[ADDRESS] & ~mask | DATAIN & mask;
            else DATAOUT <= memory[ADDRESS];
        end
    end
endmodule
