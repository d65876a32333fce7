// Models of the Gowin blocks for which yosys has none, as far as yosys uses them: multipliers without registers, and
// block memories with one port to write, one to read and no output register. A word that is read while it is written
// is undefined on the device; here every bit of it is wrong. And adders, as Icarus 11 aborts at yosys' own model.

module ALU (input I0, I1, I3, CIN, output SUM, COUT);
    parameter ALU_MODE = 0;
    localparam ADDSUB = 2;
    // With I3 the sum of I0 and I1, else their difference.
    wire sum = I0 ^ I1 ^ ~I3;
    assign SUM = sum ^ CIN;
    assign COUT = sum ? CIN : I0;
    initial
        if (ALU_MODE != ADDSUB) begin
            $display("ALU: this mode is not modelled");
            $finish;
        end
endmodule

module MULT9X9 (
    input [8:0] A, B, SIA, SIB,
    input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
    output [17:0] DOUT,
    output [8:0] SOA, SOB
);
    parameter AREG = 1'b0, BREG = 1'b0, OUT_REG = 1'b0, PIPE_REG = 1'b0;
    lstmith_gowin_product #(.WIDTH(9), .REGISTERED(AREG | BREG | OUT_REG | PIPE_REG))
        product (.a(A), .b(B), .signed_a(ASIGN), .signed_b(BSIGN), .cascaded(ASEL | BSEL), .p(DOUT));
endmodule

module MULT18X18 (
    input [17:0] A, B, SIA, SIB,
    input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
    output [35:0] DOUT,
    output [17:0] SOA, SOB
);
    parameter AREG = 1'b0, BREG = 1'b0, OUT_REG = 1'b0, PIPE_REG = 1'b0;
    lstmith_gowin_product #(.WIDTH(18), .REGISTERED(AREG | BREG | OUT_REG | PIPE_REG))
        product (.a(A), .b(B), .signed_a(ASIGN), .signed_b(BSIGN), .cascaded(ASEL | BSEL), .p(DOUT));
endmodule

module lstmith_gowin_product (a, b, signed_a, signed_b, cascaded, p);
    parameter WIDTH = 18, REGISTERED = 1'b0;
    input [WIDTH-1:0] a, b;
    input signed_a, signed_b, cascaded;
    output [2*WIDTH-1:0] p;
    // Modulo 2^(2 WIDTH) the product of the extended factors is that of the signed or unsigned ones.
    wire [2*WIDTH-1:0] wide_a = {{WIDTH{signed_a & a[WIDTH-1]}}, a};
    wire [2*WIDTH-1:0] wide_b = {{WIDTH{signed_b & b[WIDTH-1]}}, b};
    assign p = wide_a * wide_b;
    always @*
        if (REGISTERED || cascaded) begin
            $display("MULT: this mode is not modelled");
            $finish;
        end
endmodule

// The contents, in 64 parts of one width; and all of them together.
`define LSTMITH_INIT_PARAMETERS(WIDTH) \
    parameter [WIDTH-1:0] INIT_RAM_00 = 0, INIT_RAM_01 = 0, INIT_RAM_02 = 0, INIT_RAM_03 = 0; \
    parameter [WIDTH-1:0] INIT_RAM_04 = 0, INIT_RAM_05 = 0, INIT_RAM_06 = 0, INIT_RAM_07 = 0; \
    parameter [WIDTH-1:0] INIT_RAM_08 = 0, INIT_RAM_09 = 0, INIT_RAM_0A = 0, INIT_RAM_0B = 0; \
    parameter [WIDTH-1:0] INIT_RAM_0C = 0, INIT_RAM_0D = 0, INIT_RAM_0E = 0, INIT_RAM_0F = 0; \
    parameter [WIDTH-1:0] INIT_RAM_10 = 0, INIT_RAM_11 = 0, INIT_RAM_12 = 0, INIT_RAM_13 = 0; \
    parameter [WIDTH-1:0] INIT_RAM_14 = 0, INIT_RAM_15 = 0, INIT_RAM_16 = 0, INIT_RAM_17 = 0; \
    parameter [WIDTH-1:0] INIT_RAM_18 = 0, INIT_RAM_19 = 0, INIT_RAM_1A = 0, INIT_RAM_1B = 0; \
    parameter [WIDTH-1:0] INIT_RAM_1C = 0, INIT_RAM_1D = 0, INIT_RAM_1E = 0, INIT_RAM_1F = 0; \
    parameter [WIDTH-1:0] INIT_RAM_20 = 0, INIT_RAM_21 = 0, INIT_RAM_22 = 0, INIT_RAM_23 = 0; \
    parameter [WIDTH-1:0] INIT_RAM_24 = 0, INIT_RAM_25 = 0, INIT_RAM_26 = 0, INIT_RAM_27 = 0; \
    parameter [WIDTH-1:0] INIT_RAM_28 = 0, INIT_RAM_29 = 0, INIT_RAM_2A = 0, INIT_RAM_2B = 0; \
    parameter [WIDTH-1:0] INIT_RAM_2C = 0, INIT_RAM_2D = 0, INIT_RAM_2E = 0, INIT_RAM_2F = 0; \
    parameter [WIDTH-1:0] INIT_RAM_30 = 0, INIT_RAM_31 = 0, INIT_RAM_32 = 0, INIT_RAM_33 = 0; \
    parameter [WIDTH-1:0] INIT_RAM_34 = 0, INIT_RAM_35 = 0, INIT_RAM_36 = 0, INIT_RAM_37 = 0; \
    parameter [WIDTH-1:0] INIT_RAM_38 = 0, INIT_RAM_39 = 0, INIT_RAM_3A = 0, INIT_RAM_3B = 0; \
    parameter [WIDTH-1:0] INIT_RAM_3C = 0, INIT_RAM_3D = 0, INIT_RAM_3E = 0, INIT_RAM_3F = 0;
`define LSTMITH_INIT { \
    INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, \
    INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38, \
    INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, \
    INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30, \
    INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, \
    INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28, \
    INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, \
    INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20, \
    INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, \
    INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18, \
    INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, \
    INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10, \
    INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, \
    INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08, \
    INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, \
    INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00 \
}

module SDPB (
    input CLKA, CEA, CLKB, CEB, OCE, RESETA, RESETB,
    input [13:0] ADA, ADB,
    input [31:0] DI,
    input [2:0] BLKSELA, BLKSELB,
    output [31:0] DO
);
    parameter READ_MODE = 1'b0, RESET_MODE = "SYNC";
    parameter BIT_WIDTH_0 = 32, BIT_WIDTH_1 = 32;
    parameter BLK_SEL_0 = 3'b000, BLK_SEL_1 = 3'b000;
    `LSTMITH_INIT_PARAMETERS(256)
    lstmith_gowin_memory #(
        .BYTE(8), .WRITE_WIDTH(BIT_WIDTH_0), .READ_WIDTH(BIT_WIDTH_1), .INIT(`LSTMITH_INIT)
    ) memory (
        .write_clock(CLKA), .write(CEA && BLKSELA == BLK_SEL_0), .write_address(ADA), .in(DI),
        .read_clock(CLKB), .read(CEB && BLKSELB == BLK_SEL_1), .clear(RESETB), .read_address(ADB), .out(DO)
    );
    initial
        if (READ_MODE || BLK_SEL_0 || BLK_SEL_1) begin
            $display("SDPB: this mode is not modelled");
            $finish;
        end
    // Yosys chooses the asynchronous reset also where none is connected.
    always @(RESETA or RESETB)
        if (RESETA || RESET_MODE != "SYNC" && RESETB) begin
            $display("SDPB: this reset is not modelled");
            $finish;
        end
endmodule

module SDPX9B (
    input CLKA, CEA, CLKB, CEB, OCE, RESETA, RESETB,
    input [13:0] ADA, ADB,
    input [35:0] DI,
    input [2:0] BLKSELA, BLKSELB,
    output [35:0] DO
);
    parameter READ_MODE = 1'b0, RESET_MODE = "SYNC";
    parameter BIT_WIDTH_0 = 36, BIT_WIDTH_1 = 36;
    parameter BLK_SEL_0 = 3'b000, BLK_SEL_1 = 3'b000;
    `LSTMITH_INIT_PARAMETERS(288)
    lstmith_gowin_memory #(
        .BYTE(9), .WRITE_WIDTH(BIT_WIDTH_0), .READ_WIDTH(BIT_WIDTH_1), .INIT(`LSTMITH_INIT)
    ) memory (
        .write_clock(CLKA), .write(CEA && BLKSELA == BLK_SEL_0), .write_address(ADA), .in(DI),
        .read_clock(CLKB), .read(CEB && BLKSELB == BLK_SEL_1), .clear(RESETB), .read_address(ADB), .out(DO)
    );
    initial
        if (READ_MODE || BLK_SEL_0 || BLK_SEL_1) begin
            $display("SDPX9B: this mode is not modelled");
            $finish;
        end
    // Yosys chooses the asynchronous reset also where none is connected.
    always @(RESETA or RESETB)
        if (RESETA || RESET_MODE != "SYNC" && RESETB) begin
            $display("SDPX9B: this reset is not modelled");
            $finish;
        end
endmodule

module lstmith_gowin_memory (write_clock, write, write_address, in, read_clock, read, clear, read_address, out);
    parameter BYTE = 9, WRITE_WIDTH = 36, READ_WIDTH = 36;
    parameter [2048*BYTE-1:0] INIT = 0;
    input write_clock, write, read_clock, read, clear;
    input [13:0] write_address, read_address;
    input [4*BYTE-1:0] in;
    output reg [4*BYTE-1:0] out;
    reg [BYTE-1:0] memory [0:2047];

    // Words are a part of a byte, a byte, two or four; of two or four, the lowest address bits enable bytes.
    function [10:0] first(input [13:0] address, input integer width);
        first = width < 2 * BYTE ? address[13:3] : width < 4 * BYTE ? {address[13:4], 1'b0} : {address[13:5], 2'b00};
    endfunction

    function [3:0] enables(input [13:0] address, input integer width);
        enables = width < 2 * BYTE ? 4'b0001 : width < 4 * BYTE ? {2'b00, address[1:0]} : address[3:0];
    endfunction

    function [2:0] place(input [13:0] address, input integer width);
        place = width < 8 ? address[2:0] & ~(width - 1) : 0;
    endfunction

    function [BYTE-1:0] mask(input [13:0] address, input integer width);
        mask = width < 8 ? ((1 << width) - 1) << place(address, width) : {BYTE{1'b1}};
    endfunction

    function [BYTE-1:0] merged(input [BYTE-1:0] old, input [BYTE-1:0] data, input [13:0] address, input integer width);
        merged = old & ~mask(address, width) | (data << place(address, width)) & mask(address, width);
    endfunction

    wire [10:0] write_first = first(write_address, WRITE_WIDTH), read_first = first(read_address, READ_WIDTH);
    wire [3:0] written = write ? enables(write_address, WRITE_WIDTH) : 4'b0000;
    reg [4*BYTE-1:0] word;
    integer lane, other;

    always @(posedge read_clock)
        if (clear) out <= 0;
        else if (read) begin
            for (lane = 0; lane < 4; lane = lane + 1) begin
                word[lane*BYTE +: BYTE] = memory[(read_first + lane) & 2047];
                for (other = 0; other < 4; other = other + 1)
                    if (written[other] && write_first + other == read_first + lane)
                        word[lane*BYTE +: BYTE] = word[lane*BYTE +: BYTE] ^ mask(write_address, WRITE_WIDTH);
            end
            out <= READ_WIDTH < 8 ? word[7:0] >> place(read_address, READ_WIDTH) & (1 << READ_WIDTH) - 1 : word;
        end

    integer index;
    always @(posedge write_clock)
        for (index = 0; index < 4; index = index + 1)
            if (written[index])
                memory[write_first + index] <=
                    merged(memory[write_first + index], in >> index * BYTE, write_address, WRITE_WIDTH);

    integer place_of_init;
    initial begin
        for (place_of_init = 0; place_of_init < 2048; place_of_init = place_of_init + 1)
            memory[place_of_init] = INIT[place_of_init*BYTE +: BYTE];
        out = 0;
    end
endmodule
