// MULT18X18D of ECP5 with any of its registers, those of both inputs or of none, on CLK0, CE0 and RST0.
module MULT18X18D (
    input A0, A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12, A13, A14, A15, A16, A17,
    input B0, B1, B2, B3, B4, B5, B6, B7, B8, B9, B10, B11, B12, B13, B14, B15, B16, B17,
    input C0, C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14, C15, C16, C17,
    input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB, CLK0, CE0, RST0,
    output P0, P1, P2, P3, P4, P5, P6, P7, P8, P9, P10, P11, P12, P13, P14, P15, P16, P17,
    output P18, P19, P20, P21, P22, P23, P24, P25, P26, P27, P28, P29, P30, P31, P32, P33, P34, P35
);
    parameter REG_INPUTA_CLK = "NONE", REG_INPUTB_CLK = "NONE", REG_PIPELINE_CLK = "NONE", REG_OUTPUT_CLK = "NONE";
    parameter REG_INPUTA_CE = "CE0", REG_INPUTB_CE = "CE0", REG_PIPELINE_CE = "CE0", REG_OUTPUT_CE = "CE0";
    parameter REG_INPUTA_RST = "RST0", REG_INPUTB_RST = "RST0", REG_PIPELINE_RST = "RST0", REG_OUTPUT_RST = "RST0";
    localparam HELD = REG_INPUTA_CLK == "CLK0", WITHIN = REG_PIPELINE_CLK == "CLK0", REGISTERED = REG_OUTPUT_CLK == "CLK0";
    wire [17:0] a = {A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0};
    wire [17:0] b = {B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};
    reg [17:0] held_a, held_b;
    reg [35:0] product_held, p_held;
    wire [17:0] factor_a = HELD ? held_a : a, factor_b = HELD ? held_b : b;
    wire [35:0] wide_a = {{18{SIGNEDA & factor_a[17]}}, factor_a};
    wire [35:0] wide_b = {{18{SIGNEDB & factor_b[17]}}, factor_b};
    // Modulo 2^36 the product of the extended factors is that of the signed or unsigned ones.
    wire [35:0] product = wide_a * wide_b;
    wire [35:0] late = WITHIN ? product_held : product;
    wire [35:0] p = REGISTERED ? p_held : late;

    always @(posedge CLK0)
        if (RST0) begin
            held_a <= 0;
            held_b <= 0;
            product_held <= 0;
            p_held <= 0;
        end else if (CE0) begin
            held_a <= a;
            held_b <= b;
            product_held <= product;
            p_held <= late;
        end

    initial
        if (REG_INPUTA_CLK != REG_INPUTB_CLK || (REG_INPUTA_CLK != "NONE" && !HELD)
            || (REG_PIPELINE_CLK != "NONE" && !WITHIN) || (REG_OUTPUT_CLK != "NONE" && !REGISTERED)) begin
            $display("MULT18X18D: these registers are not modelled");
            $finish;
        end
    assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18} = p[35:18];
    assign {P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = p[17:0];
endmodule
