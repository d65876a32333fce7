// DP16KD of ECP5, for which yosys has no model, as far as it is used: no output registers, all clocks rising.

module DP16KD (
    input DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12, DIA13, DIA14, DIA15, DIA16, DIA17,
    input ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13,
    input CEA, OCEA, CLKA, WEA, RSTA, CSA0, CSA1, CSA2,
    output DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13, DOA14, DOA15, DOA16, DOA17,
    input DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10, DIB11, DIB12, DIB13, DIB14, DIB15, DIB16, DIB17,
    input ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
    input CEB, OCEB, CLKB, WEB, RSTB, CSB0, CSB1, CSB2,
    output DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13, DOB14, DOB15, DOB16, DOB17
);
    parameter integer DATA_WIDTH_A = 18;
    parameter integer DATA_WIDTH_B = 18;
    parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG", RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC";
    parameter CSDECODE_A = "0b000", CSDECODE_B = "0b000", GSR = "AUTO";
    parameter CLKAMUX = "CLKA", CLKBMUX = "CLKB";
    parameter [127:0] WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL";
    parameter [319:0] INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0, INITVAL_04 = 0, INITVAL_05 = 0, INITVAL_06 = 0, INITVAL_07 = 0;
    parameter [319:0] INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0, INITVAL_0C = 0, INITVAL_0D = 0, INITVAL_0E = 0, INITVAL_0F = 0;
    parameter [319:0] INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0, INITVAL_13 = 0, INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0;
    parameter [319:0] INITVAL_18 = 0, INITVAL_19 = 0, INITVAL_1A = 0, INITVAL_1B = 0, INITVAL_1C = 0, INITVAL_1D = 0, INITVAL_1E = 0, INITVAL_1F = 0;
    parameter [319:0] INITVAL_20 = 0, INITVAL_21 = 0, INITVAL_22 = 0, INITVAL_23 = 0, INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0, INITVAL_27 = 0;
    parameter [319:0] INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0, INITVAL_2C = 0, INITVAL_2D = 0, INITVAL_2E = 0, INITVAL_2F = 0;
    parameter [319:0] INITVAL_30 = 0, INITVAL_31 = 0, INITVAL_32 = 0, INITVAL_33 = 0, INITVAL_34 = 0, INITVAL_35 = 0, INITVAL_36 = 0, INITVAL_37 = 0;
    parameter [319:0] INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0, INITVAL_3B = 0, INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0;
    // 1024 words of two bytes of 9 bits; words of 36 bits are two of them.
    reg [17:0] memory [0:1023];
    wire [13:0] address_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
    wire [13:0] address_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
    wire [17:0] data_a = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
    wire [17:0] data_b = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};
    reg [17:0] out_a = 0, out_b = 0, wide_low = 0;
    // A port of 36 bits reads its lower half at DOA.
    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0}
        = DATA_WIDTH_B == 36 ? wide_low : out_a;
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0} = out_b;

    // Narrow words lie in a byte of 9 bits, whose last bit they leave unused.
    function [4:0] offset(input [13:0] address, input integer width);
        offset = width >= 18 ? 0 : (address[3] ? 9 : 0) + (width >= 9 ? 0 : address[2:0] & ~(width - 1));
    endfunction

    function [17:0] bits(input [13:0] address, input integer width, input we);
        bits = !we ? 18'h0
            : width >= 18 ? {{9{address[1]}}, {9{address[0]}}}
            : ((18'h1 << width) - 18'h1) << offset(address, width);
    endfunction

    function [17:0] merged(input [17:0] old, input [17:0] data, input [13:0] address, input integer width, input we);
        merged = old & ~bits(address, width, we) | (data << offset(address, width)) & bits(address, width, we);
    endfunction

    function [17:0] narrowed(input [17:0] word, input [13:0] address, input integer width);
        narrowed = width >= 18 ? word : (word >> offset(address, width)) & ((18'h1 << width) - 18'h1);
    endfunction

    wire [9:0] row_a = DATA_WIDTH_A == 36 ? {address_a[13:5], 1'b0} : address_a[13:4];
    wire [9:0] row_b = DATA_WIDTH_B == 36 ? {address_b[13:5], 1'b1} : address_b[13:4];
    wire write_a = WEA & CEA, write_b = WEB & CEB;

    always @(posedge CLKA) begin
        if (RSTA) out_a <= 0;
        else if (CEA && !(WEA && WRITEMODE_A == "NORMAL"))
            out_a <= narrowed(
                merged(memory[row_a], data_a, address_a, DATA_WIDTH_A, WEA && WRITEMODE_A == "WRITETHROUGH"),
                address_a, DATA_WIDTH_A);
        if (write_a) begin
            memory[row_a] <= merged(memory[row_a], data_a, address_a, DATA_WIDTH_A, 1'b1);
            if (DATA_WIDTH_A == 36)
                memory[row_a | 1] <= merged(memory[row_a | 1], data_b, {12'b0, address_a[3:2]}, 36, 1'b1);
        end
    end

    always @(posedge CLKB) begin
        if (RSTB) begin
            out_b <= 0;
            wide_low <= 0;
        end else if (CEB && !(WEB && WRITEMODE_B == "NORMAL")) begin
            out_b <= narrowed(
                merged(memory[row_b], data_b, address_b, DATA_WIDTH_B, WEB && WRITEMODE_B == "WRITETHROUGH"),
                address_b, DATA_WIDTH_B);
            wide_low <= memory[row_b & ~10'd1];
        end
        if (write_b) memory[row_b] <= merged(memory[row_b], data_b, address_b, DATA_WIDTH_B, 1'b1);
    end

    integer index;
    reg [20479:0] initial_bits;
    initial begin
        initial_bits = {
            INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
            INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
            INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
            INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
            INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
            INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
            INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
            INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00
        };
        for (index = 0; index < 1024; index = index + 1) memory[index] = initial_bits[20 * index +: 18];
        if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG" || CLKAMUX != "CLKA" || CLKBMUX != "CLKB") begin
            $display("DP16KD: this mode is not modelled");
            $finish;
        end
    end

    // Yosys chooses the asynchronous reset also where none is connected.
    always @(RSTA or RSTB)
        if (RESETMODE != "SYNC" && (RSTA || RSTB)) begin
            $display("DP16KD: asynchronous reset is not modelled");
            $finish;
        end
endmodule
