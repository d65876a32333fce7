/* lstmith: driver of an LSTM inference core, in C99. This text is yours, under any terms.
 *
 * No allocation, no library. All of a core is reached through two functions that read and write a 32-bit
 * word. Steps go through the registers X and H of an AXI or Wishbone core; where the streams are wired to something else
 * (DMA, FIFOs, a simulator), give send and receive.
 *
 *     static void put(void *base, uint32_t offset, uint32_t value) { *(volatile uint32_t *)((char *)base + offset) = value; }
 *     static uint32_t get(void *base, uint32_t offset) { return *(volatile uint32_t *)((char *)base + offset); }
 *
 *     lstmith core;
 *     const lstmith_access access = {(void *)0x40000000, put, get, 0, 0};
 *     if (lstmith_open(&core, &access, &lstmith_core_design) || lstmith_load(&core)) return 1;
 *     lstmith_begin(&core);
 *     lstmith_run(&core, x, 1, h);
 *
 * Values are integers: x and h in units of x_lsb and h_lsb, which the package's README tells, c with the layer's c_frac
 * fraction bits. Units stand in the order of the model. One sequence runs at a time, through all units, without skipped steps.
 * A design of several programs begins with the first; lstmith_select and lstmith_hand_over choose another.
 */
#ifndef LSTMITH_DRIVER_H
#define LSTMITH_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How often the driver looks for a change before it gives up. */
#ifndef LSTMITH_PATIENCE
#define LSTMITH_PATIENCE 10000000u
#endif

typedef enum {
    LSTMITH_OK = 0,
    LSTMITH_NO_CORE,   /* IDENTITY or VERSION is another one's: wrong address, or no clock */
    LSTMITH_BAD_IMAGE, /* damaged (its CRC), or no image: nothing was written */
    LSTMITH_BAD_VALUE, /* an argument that this design cannot take: nothing was written */
    LSTMITH_BUSY,      /* the engine does not become idle */
    LSTMITH_NO_ANSWER, /* the streams do not move */
    LSTMITH_WRONG      /* self-test: a value differs from the model's */
} lstmith_status;

/* One transfer of the stream x. start: a sequence begins, with zero state. restart: states were loaded, or another program
 * left them. program: which one runs, with start or restart. */
typedef struct {
    int16_t value;
    uint8_t start, restart, program;
} lstmith_element;

/* One transfer of the stream h. last: last unit of its layer in this step. */
typedef struct {
    int16_t value;
    uint8_t layer, last;
} lstmith_result;

/* offset: bytes from the core's base. send and receive return 1 if an element was taken or a result was there, 0 if not
 * yet; both 0: through the core's registers. */
typedef struct {
    void *context;
    void (*write)(void *context, uint32_t offset, uint32_t value);
    uint32_t (*read)(void *context, uint32_t offset);
    int (*send)(void *context, const lstmith_element *element);
    int (*receive)(void *context, lstmith_result *result);
} lstmith_access;

typedef enum { LSTMITH_DENSE = 0, LSTMITH_SKIP = 1, LSTMITH_DELTA = 2, LSTMITH_AUTO = 3 } lstmith_mode;

/* Of a layer. Thresholds are in LSBs of the operand grid; the low ones are of engines with two planes. */
typedef struct {
    lstmith_mode mode;
    uint16_t theta_x, theta_h, low_theta_x, low_theta_h;
} lstmith_policy;

/* c_frac: fraction bits of c. order: the model's unit behind each place in the core; 0 where they are the same. */
typedef struct {
    uint16_t inputs, units;
    uint8_t c_frac;
    const uint16_t *order;
} lstmith_layer;

/* A chain of layers. place: where its states begin. answers: results of a step, units of the last layer, or 1 where the
 * program tells a verdict. states: programs with the same number can take up each other's states. */
typedef struct {
    const lstmith_layer *layers;
    uint8_t layer_count;
    uint16_t place, answers;
    uint8_t states;
} lstmith_program;

/* A sequence of the self-test, x [steps][inputs] and h [steps][answers]. handed: in the states that the one before left. */
typedef struct {
    const int16_t *x, *h;
    uint32_t steps;
    uint8_t program, handed;
} lstmith_test;

/* A design; the file *_design.c defines one. */
typedef struct {
    const lstmith_program *programs;
    const lstmith_test *tests;
    uint8_t program_count, test_count, layer_bits, program_shift, planes, delta;
    const uint8_t *image; /* as image.bin */
    uint32_t image_size;
} lstmith_design;

#define LSTMITH_NONE 255u

typedef struct {
    lstmith_access access;
    const lstmith_design *design;
    const uint8_t *image;
    uint32_t image_size;
    uint8_t start, restart; /* flags that the next step's first element carries */
    uint8_t program, left;  /* which one runs; which one ran last, LSTMITH_NONE if its states are not as it left them */
} lstmith;

/* Counters that the engine does not have stay 0. */
typedef struct {
    uint32_t cycles, words_4, words_8, words_16, skipped, restarts;
} lstmith_counters;

/* Looks whether the core is there; the first sequence begins with zero state. */
lstmith_status lstmith_open(lstmith *core, const lstmith_access *access, const lstmith_design *design);

/* Loads weights, program and settings of the design. */
lstmith_status lstmith_load(lstmith *core);

/* The same from image.bin, which may be of another network of the same shape; the image must stay where it is while
 * policies are set. */
lstmith_status lstmith_load_image(lstmith *core, const void *image, uint32_t size);

/* The next step begins a sequence, with zero state. */
void lstmith_begin(lstmith *core);

/* The same, of another program of the design. All that speaks of layers below speaks of this program's. */
lstmith_status lstmith_select(lstmith *core, uint8_t program);

/* The next step begins a sequence of another program than ran last, in the states that this one left. Both must have the
 * same states; they never leave the core. */
lstmith_status lstmith_hand_over(lstmith *core, uint8_t program);

/* Steps of the present sequence: x [steps][inputs], h [steps][answers], h or a verdict modulo 2^16. The core is fed ahead, so that
 * many steps take less time than as many calls. */
lstmith_status lstmith_run(lstmith *core, const int16_t *x, uint32_t steps, int16_t *h);

/* State of a layer after the last step: h and c, [units] each. */
lstmith_status lstmith_get_state(lstmith *core, uint8_t layer, int16_t *h, int32_t *c);

/* State that the next step begins with. Set all layers, then run. */
lstmith_status lstmith_set_state(lstmith *core, uint8_t layer, const int16_t *h, const int32_t *c);

/* Policies of all layers, [layer_count]; the next step begins a sequence. Other programs keep theirs. */
lstmith_status lstmith_set_policies(lstmith *core, const lstmith_policy *policies);

/* Since the last reset, modulo 2^32; 0 what the engine does not count. */
void lstmith_count(lstmith *core, lstmith_counters *counters);

/* Runs the design's test sequences, under the policies that the image brings, which stay. The next step begins a sequence. */
lstmith_status lstmith_self_test(lstmith *core);

#ifdef __cplusplus
}
#endif
#endif
