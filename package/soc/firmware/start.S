/* From reset to main: a stack, and zeros where C expects them. This text is yours, under any terms. */
    .section .text.start, "ax"
    .global _start
_start:
    la sp, stack_top
    la a0, bss_begin
    la a1, bss_end
1:  bgeu a0, a1, 2f
    sw zero, 0(a0)
    addi a0, a0, 4
    j 1b
2:  call main
3:  j 3b
