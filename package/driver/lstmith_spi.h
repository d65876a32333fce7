/* lstmith: driver of a board that was built with --front spi, in C99, for the microcontroller. This text is yours, under
 * any terms.
 *
 * No allocation, no library. The board is reached through one function, which every SPI library has in some form:
 *
 *     static void exchange(void *bus, uint8_t *bytes, size_t count) {
 *         gpio_put(SELECT, 0);
 *         spi_transfer(bus, bytes, bytes, count);
 *         gpio_put(SELECT, 1);
 *     }
 *
 *     static lstmith_spi board;
 *     if (lstmith_spi_open(&board, exchange, spi0)) return 1;
 *     for (;; ++step) {
 *         if (lstmith_spi_send(&board, x[step], INPUTS, step == 0)) return 1;
 *         ... sleep until the pin irq is high, or not ...
 *         if (lstmith_spi_receive(&board, h, UNITS, &skipped)) return 1;
 *     }
 *
 * Values are integers: x in units of the design's x_lsb, h of its h_lsb. What is damaged or lost on the wires is sent
 * again; no value enters the engine twice.
 */
#ifndef LSTMITH_SPI_H
#define LSTMITH_SPI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that an answer is waited for, and how often a request is sent. A step must be done within the first. */
#ifndef LSTMITH_SPI_PATIENCE
#define LSTMITH_SPI_PATIENCE 100000u
#endif
#ifndef LSTMITH_SPI_TRIES
#define LSTMITH_SPI_TRIES 5u
#endif

#define LSTMITH_SPI_FRAME 224u /* most bytes of a frame, before two more of its coding */

typedef enum {
    LSTMITH_SPI_OK = 0,
    LSTMITH_SPI_NO_ANSWER, /* no board, no clock, wires, or SCK too fast */
    LSTMITH_SPI_NO_CORE,   /* something answers, but no board of this version */
    LSTMITH_SPI_LOST,      /* the session is over: the board was reset, or waited too long. Open again */
    LSTMITH_SPI_NO_RESULT, /* none comes: part of the step is missing */
    LSTMITH_SPI_BAD_UNITS  /* where a step should begin none does: units is not what the layer has */
} lstmith_spi_status;

/* Selects the board, exchanges bytes in mode 0, the most significant bit first, and deselects it. Each byte is replaced
 * by the one that came. */
typedef void (*lstmith_spi_exchange)(void *context, uint8_t *bytes, size_t count);

typedef struct {
    lstmith_spi_exchange exchange;
    void *context;
    uint8_t sequence;     /* number of the next request */
    uint16_t place, ring; /* the next word in the board's ring of results, and the ring's words */
    uint8_t taken, words; /* of the words in the answer */
    /* The decoder: bytes of the answer so far, bytes until the next zero, and what the frame is. */
    uint8_t length, left, begun, broken;
    uint8_t request[LSTMITH_SPI_FRAME], answer[LSTMITH_SPI_FRAME], wire[LSTMITH_SPI_FRAME + 2u];
} lstmith_spi;

/* Begins a session: the engine is reset, the network stays. */
lstmith_spi_status lstmith_spi_open(lstmith_spi *board, lstmith_spi_exchange exchange, void *context);

/* Inputs of a step, of several, or of a part of one. start: the first value begins a sequence. Results wait for
 * lstmith_spi_receive; a board holds those of some steps. */
lstmith_spi_status lstmith_spi_send(lstmith_spi *board, const int16_t *x, size_t count, int start);

/* h of the next step, [units] of the last layer, in the core's order. A step that was skipped leaves it as it is. */
lstmith_spi_status lstmith_spi_receive(lstmith_spi *board, int16_t *h, size_t units, int *skipped);

#ifdef __cplusplus
}
#endif
#endif
