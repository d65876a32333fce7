/* Runs the design's test sequences on the core of a LiteX system, fed by the CPU and by DMA. This text is yours, under any
 * terms. */
#include <generated/csr.h>
#include <generated/mem.h>

#include CORE_HEADER
#include "lstmith_map.h"

/* Elements of x and results that memory holds at a time: those of as many steps as fit. */
#define MOST_WORDS 2048u

static int16_t h[MOST_WORDS];
/* DMA reads and writes them. */
static volatile uint32_t x_words[MOST_WORDS], h_words[MOST_WORDS];

/* Compilers call these two for structures, also where there is no library. */
void *memcpy(void *to, const void *from, size_t size) {
    size_t i;
    for (i = 0; i < size; ++i) ((char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memset(void *to, int value, size_t size) {
    size_t i;
    for (i = 0; i < size; ++i) ((char *)to)[i] = (char)value;
    return to;
}

static void put(void *base, uint32_t offset, uint32_t value) { *(volatile uint32_t *)((char *)base + offset) = value; }
static uint32_t get(void *base, uint32_t offset) { return *(volatile uint32_t *)((char *)base + offset); }

static void print(const char *text) {
    for (; *text; ++text) {
        while (uart_txfull_read()) continue;
        uart_rxtx_write((unsigned char)*text);
    }
}

static void print_number(int32_t value) {
    char digits[12], *first = digits + sizeof digits - 1;
    uint32_t rest = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
    *first = 0;
    do *--first = (char)('0' + rest % 10u);
    while (rest /= 10u);
    if (value < 0) *--first = '-';
    print(first);
}

static void tell(const char *what, uint32_t value) {
    print(what);
    print(" ");
    print_number((int32_t)value);
    print("\n");
}

/* LiteX's timer counts the system's cycles down. */
static uint32_t now(void) {
    timer0_update_value_write(1);
    return 0xffffffffu - timer0_value_read();
}

/* Prints the results of a step and counts those that are not the model's. */
static uint32_t compare(const int16_t *found, const int16_t *wanted, uint32_t units) {
    uint32_t unit, wrong = 0;
    print("h");
    for (unit = 0; unit < units; ++unit) {
        print(" ");
        print_number(found[unit]);
        wrong += found[unit] != wanted[unit];
    }
    print("\n");
    return wrong;
}

/* What a test's program takes and gives in a step. */
static const lstmith_program *program_of(const lstmith_design *design, const lstmith_test *test) {
    return &design->programs[test->program];
}

/* The CPU sends each element and takes each result; h is there before the next step begins. */
static lstmith_status run_by_cpu(lstmith *core, const lstmith_test *test, uint32_t *spent, uint32_t *wrong) {
    const lstmith_program *program = program_of(core->design, test);
    const uint32_t inputs = program->layers[0].inputs, answers = program->answers;
    lstmith_status status =
        test->handed ? lstmith_hand_over(core, test->program) : lstmith_select(core, test->program);
    uint32_t step;
    for (step = 0; step < test->steps && !status; ++step) {
        const uint32_t begun = now();
        status = lstmith_run(core, test->x + step * inputs, 1, h);
        *spent += now() - begun;
        if (!status) *wrong += compare(h, test->h + step * answers, answers);
    }
    return status;
}

/* The CPU writes x to memory and finds h there. */
static lstmith_status run_by_dma(
    const lstmith_design *design, const lstmith_test *test, uint32_t *spent, uint32_t *wrong) {
    const lstmith_program *program = program_of(design, test);
    const uint32_t inputs = program->layers[0].inputs, answers = program->answers;
    const uint16_t *order = program->layers[program->layer_count - 1].order;
    const uint32_t most = MOST_WORDS / (inputs > answers ? inputs : answers);
    uint32_t first, steps, step, i;
    for (first = 0; first < test->steps; first += steps) {
        uint32_t begun, patience = LSTMITH_PATIENCE;
        steps = test->steps - first < most ? test->steps - first : most;
        for (i = 0; i < steps * inputs; ++i) x_words[i] = (uint16_t)test->x[first * inputs + i];
        if (!first) {
            x_words[0] |= test->handed ? LSTMITH_X_RESTART_MASK : LSTMITH_X_START_MASK;
            x_words[0] |= (uint32_t)test->program << LSTMITH_X_PROGRAM_SHIFT;
        }
        begun = now();
        dma_writer_base_write((uintptr_t)h_words);
        dma_writer_length_write(4 * steps * answers);
        dma_writer_enable_write(1);
        dma_reader_base_write((uintptr_t)x_words);
        dma_reader_length_write(4 * steps * inputs);
        dma_reader_enable_write(1);
        while (!dma_writer_done_read()) {
            if (!--patience) return LSTMITH_NO_ANSWER;
        }
        *spent += now() - begun;
        dma_reader_enable_write(0);
        dma_writer_enable_write(0);
        flush_cpu_dcache();
        for (step = 0; step < steps; ++step) {
            for (i = 0; i < answers; ++i) h[order ? order[i] : i] = (int16_t)(uint16_t)h_words[step * answers + i];
            *wrong += compare(h, test->h + (first + step) * answers, answers);
        }
    }
    return LSTMITH_OK;
}

static lstmith_status infer(void) {
    const lstmith_access access = {(void *)CORE_BASE, put, get, 0, 0};
    const lstmith_design *design = &CORE_DESIGN;
    uint32_t begun, wrong = 0, cpu = 0, dma = 0;
    uint8_t i;
    lstmith_counters before, after;
    lstmith core;
    lstmith_status status;
    for (i = 0; i < design->test_count; ++i) {
        const lstmith_program *program = program_of(design, &design->tests[i]);
        if (program->layers[0].inputs > MOST_WORDS || program->answers > MOST_WORDS) return LSTMITH_BAD_VALUE;
    }
    status = lstmith_open(&core, &access, design);
    if (status) return status;
    begun = now();
    status = lstmith_load(&core);
    if (status) return status;
    tell("load", now() - begun);
    /* What the interrupt line tells: nothing yet, then that a sequence is done. */
    put((void *)CORE_BASE, LSTMITH_IRQ_STATUS, get((void *)CORE_BASE, LSTMITH_IRQ_STATUS));
    put((void *)CORE_BASE, LSTMITH_IRQ_ENABLE, LSTMITH_IRQ_ENABLE_DONE_MASK);
    tell("irq", core_ev_status_read());
    status = lstmith_self_test(&core);
    if (status) return status;
    tell("irq", core_ev_status_read());
    lstmith_count(&core, &before);
    for (i = 0; i < design->test_count && !status; ++i) status = run_by_cpu(&core, &design->tests[i], &cpu, &wrong);
    if (status) return status;
    lstmith_count(&core, &after);
    tell("cpu", cpu);
    tell("busy", after.cycles - before.cycles);
    put((void *)CORE_BASE, LSTMITH_STREAMS, 0);
    for (i = 0; i < design->test_count && !status; ++i) status = run_by_dma(design, &design->tests[i], &dma, &wrong);
    if (status) return status;
    tell("dma", dma);
    tell("wrong", wrong);
    return wrong ? LSTMITH_WRONG : LSTMITH_OK;
}

int main(void) {
    lstmith_status status;
    timer0_load_write(0xffffffffu);
    timer0_en_write(1);
    status = infer();
    tell("status", (uint32_t)status);
    print(status ? "FAIL\n" : "PASS\n");
#ifdef CSR_SIM_FINISH_BASE
    sim_finish_finish_write(1);
#endif
    for (;;) continue;
}
