// A top level of your own around the core: it plays inputs from a memory and checks every h that comes out.
`timescale 1ns / 1ns

module top;
    parameter INPUTS = 1;  // elements of one step
    parameter UNITS = 1;   // h of one step
    parameter STEPS = 1;

    reg clk = 0, rst = 1;
    always #10 clk = !clk;  // 50 MHz

    reg [15:0] x[0:STEPS*INPUTS-1], wanted[0:STEPS*UNITS-1];
    initial begin
        $readmemh("x.hex", x);
        $readmemh("h.hex", wanted);
        repeat (4) @(negedge clk);
        rst = 0;
    end

    // Both streams move at a rising edge at which valid and ready are high.
    integer sent = 0, received = 0, wrong = 0, cycles = 0;
    wire x_valid = !rst && sent < STEPS * INPUTS;
    wire x_ready, h_valid;
    wire signed [15:0] h_value;

    lstmith_core core (
        .clk(clk), .rst(rst),
        .x_value(x[sent]), .x_valid(x_valid), .x_ready(x_ready),
        .x_start(sent == 0),  // the sequence begins with zero state
        .x_restart(1'b0), .x_mark(1'b0), .x_mask(3'd0),
        .h_value(h_value), .h_valid(h_valid), .h_ready(1'b1),
        // The bus changes weights and policies, and reads counters; this design's are in the memories from the start.
        .bus_addr(24'd0), .bus_w_data(32'd0), .bus_w_en(1'b0), .bus_r_en(1'b0)
    );

    always @(posedge clk) begin
        cycles <= cycles + 1;
        if (x_valid && x_ready) sent <= sent + 1;
        if (h_valid) begin
            if (h_value !== $signed(wanted[received])) wrong <= wrong + 1;
            received <= received + 1;
        end
        if (received == STEPS * UNITS) begin
            $display("%0d values of %0d steps in %0d cycles: %0d wrong", received, STEPS, cycles, wrong);
            $finish;
        end
        if (cycles > 1000 * STEPS) begin
            $display("only %0d of %0d values came", received, STEPS * UNITS);
            $finish;
        end
    end
endmodule
