// SB_MAC16 of iCE40 as two multipliers of 8 bits, A signed and B unsigned, with input and output registers: each half adds or
// subtracts its product from nothing. Other modes are refused, and the carries out are left out.
module SB_MAC16 (
    input CLK, CE,
    input [15:0] C, A, B, D,
    input AHOLD, BHOLD, CHOLD, DHOLD,
    input IRSTTOP, IRSTBOT, ORSTTOP, ORSTBOT,
    input OLOADTOP, OLOADBOT, ADDSUBTOP, ADDSUBBOT, OHOLDTOP, OHOLDBOT,
    input CI, ACCUMCI, SIGNEXTIN,
    output [31:0] O
);
    parameter [0:0] NEG_TRIGGER = 0, C_REG = 0, A_REG = 0, B_REG = 0, D_REG = 0;
    parameter [0:0] TOP_8x8_MULT_REG = 0, BOT_8x8_MULT_REG = 0, PIPELINE_16x16_MULT_REG1 = 0, PIPELINE_16x16_MULT_REG2 = 0;
    parameter [1:0] TOPOUTPUT_SELECT = 0, TOPADDSUB_LOWERINPUT = 0, BOTOUTPUT_SELECT = 0, BOTADDSUB_LOWERINPUT = 0;
    parameter [0:0] TOPADDSUB_UPPERINPUT = 0, BOTADDSUB_UPPERINPUT = 0, MODE_8x8 = 0, A_SIGNED = 0, B_SIGNED = 0;
    parameter [1:0] TOPADDSUB_CARRYSELECT = 0, BOTADDSUB_CARRYSELECT = 0;
    reg [15:0] held_a = 0, held_b = 0, top = 0, bottom = 0;
    // Modulo 2^16 the product of the extended factors is that of a signed and an unsigned one.
    wire [15:0] product_top = {{8{held_a[15]}}, held_a[15:8]} * {8'h00, held_b[15:8]};
    wire [15:0] product_bottom = {{8{held_a[7]}}, held_a[7:0]} * {8'h00, held_b[7:0]};
    always @(posedge CLK)
        if (CE) begin
            held_a <= A;
            held_b <= B;
            top <= ADDSUBTOP ? C - product_top : C + product_top;
            bottom <= ADDSUBBOT ? D - product_bottom : D + product_bottom;
        end
    assign O = {top, bottom};

    initial
        if (!MODE_8x8 || !A_REG || !B_REG || C_REG || D_REG || !A_SIGNED || B_SIGNED || NEG_TRIGGER
            || TOPOUTPUT_SELECT != 1 || BOTOUTPUT_SELECT != 1 || TOPADDSUB_LOWERINPUT != 1 || BOTADDSUB_LOWERINPUT != 1
            || !TOPADDSUB_UPPERINPUT || !BOTADDSUB_UPPERINPUT || TOPADDSUB_CARRYSELECT != 0 || BOTADDSUB_CARRYSELECT != 0
            || TOP_8x8_MULT_REG || BOT_8x8_MULT_REG || PIPELINE_16x16_MULT_REG1 || PIPELINE_16x16_MULT_REG2) begin
            $display("SB_MAC16: this mode is not modelled");
            $finish;
        end
    always @(posedge CLK)
        if (AHOLD | BHOLD | CHOLD | DHOLD | IRSTTOP | IRSTBOT | ORSTTOP | ORSTBOT | OLOADTOP | OLOADBOT | OHOLDTOP | OHOLDBOT
            | CI | ACCUMCI | SIGNEXTIN) begin
            $display("SB_MAC16: holding, loading, resets and carries are not modelled");
            $finish;
        end
endmodule
