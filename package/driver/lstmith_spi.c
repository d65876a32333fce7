/* lstmith: driver of a board that was built with --front spi; see lstmith_spi.h. This text is yours, under any terms. */
#include "lstmith_spi.h"

/* The link (docs/link.md): commands, flags, statuses, and places in frames. */
enum { HELLO = 1, STREAM = 4, FETCH = 5, ANSWER = 0x80 };
enum { START = 1 };
enum { OK = 0, REJECTED = 1 };
enum { REQUEST_HEAD = 2, ANSWER_HEAD = 4, STREAM_HEAD = 5, FETCH_HEAD = 4, CRC_BYTES = 4, IDENTITY_BYTES = 64 };
enum { COMPUTED = 0, SKIPPED = 1 };
#define MAGIC 0x4c53544dul
#define LINK_VERSION 4u
#define VALUES ((LSTMITH_SPI_FRAME - REQUEST_HEAD - STREAM_HEAD - CRC_BYTES) / 2u)
/* Bytes that are fetched at once; behind an answer they are zero. */
#define CHUNK 16u

/* CRC-32/ISO-HDLC, as zlib's. */
static uint32_t crc(const uint8_t *bytes, size_t count) {
    uint32_t sum = 0xffffffffu;
    while (count--) {
        int bit;
        sum ^= *bytes++;
        for (bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1u ? 0xedb88320u : 0u);
    }
    return ~sum;
}

static void put(uint8_t *bytes, uint32_t value, unsigned count) {
    for (; count; --count, value >>= 8) *bytes++ = (uint8_t)value;
}

static uint32_t get(const uint8_t *bytes, unsigned count) {
    uint32_t value = 0;
    while (count--) value = value << 8 | bytes[count];
    return value;
}

/* The request with its CRC as COBS codes it, a zero byte at the end; returns the bytes. */
static size_t encode(lstmith_spi *board, size_t length) {
    uint8_t *const wire = board->wire;
    size_t code = 0, end = 1, from;
    put(board->request + length, crc(board->request, length), CRC_BYTES);
    for (from = 0; from < length + CRC_BYTES; ++from) {
        if (board->request[from]) {
            wire[end++] = board->request[from];
        } else {
            wire[code] = (uint8_t)(end - code);
            code = end++;
        }
    }
    wire[code] = (uint8_t)(end - code);
    wire[end++] = 0;
    return end;
}

/* Takes a byte off the wire; returns whether it ends a frame that is whole, which is in answer then. */
static int decode(lstmith_spi *board, uint8_t byte) {
    const uint8_t length = board->length;
    int whole = 0;
    if (!byte) {
        whole = board->begun && !board->broken && !board->left && length >= ANSWER_HEAD + CRC_BYTES &&
                crc(board->answer, length - CRC_BYTES) == get(board->answer + length - CRC_BYTES, CRC_BYTES);
        board->begun = board->broken = board->left = board->length = 0;
        if (whole) board->words = (uint8_t)((length - CRC_BYTES - ANSWER_HEAD) / 2);
    } else {
        uint8_t value = byte;
        if (!board->left) {
            /* A code byte: the bytes to the next zero, which it stands for unless it is the first. */
            board->left = byte;
            value = 0;
        }
        if (board->begun || value) {
            if (length == LSTMITH_SPI_FRAME)
                board->broken = 1;
            else
                board->answer[board->length++] = value;
        }
        --board->left;
        board->begun = 1;
    }
    return whole;
}

/* Exchanges what is on the wire; returns whether the answer to a request came, and keeps it. */
static int answered(lstmith_spi *board, size_t count, uint8_t command) {
    size_t at;
    board->exchange(board->context, board->wire, count);
    for (at = 0; at < count; ++at) {
        const uint8_t *const answer = board->answer;
        if (decode(board, board->wire[at]) && answer[0] == board->sequence && answer[1] == (command | ANSWER)) {
            /* What has begun behind it is of a request that was sent twice. */
            board->broken = board->wire[count - 1u] != 0;
            return 1;
        }
    }
    return 0;
}

/* Sends the request, whose body is in place, until it is answered. Afterwards the answer's words have not been taken. */
static lstmith_spi_status ask(lstmith_spi *board, uint8_t command, size_t body) {
    unsigned tries;
    board->request[0] = board->sequence;
    board->request[1] = command;
    for (tries = 0; tries < LSTMITH_SPI_TRIES; ++tries) {
        size_t count = encode(board, REQUEST_HEAD + body), waited = 0;
        while (!answered(board, count, command)) {
            if (waited > LSTMITH_SPI_PATIENCE) break;
            for (count = 0; count < CHUNK; ++count) board->wire[count] = 0;
            waited += CHUNK;
        }
        if (waited > LSTMITH_SPI_PATIENCE) continue;
        board->taken = 0;
        if (board->answer[2] == OK) {
            board->sequence = board->answer[3];
            return LSTMITH_SPI_OK;
        }
        board->words = 0;
        /* It was executed, and the first answer was lost: words can be fetched again. */
        if (board->answer[2] == REJECTED && board->answer[3] == (uint8_t)(board->sequence + 1u)) {
            board->sequence = board->answer[3];
            return LSTMITH_SPI_OK;
        }
        return LSTMITH_SPI_LOST;
    }
    board->taken = board->words = 0;
    return LSTMITH_SPI_NO_ANSWER;
}

lstmith_spi_status lstmith_spi_open(lstmith_spi *board, lstmith_spi_exchange exchange, void *context) {
    const uint8_t *const identity = board->answer + ANSWER_HEAD;
    lstmith_spi_status status;
    board->exchange = exchange;
    board->context = context;
    board->place = 0;
    board->sequence = 0;
    board->length = board->left = board->begun = board->broken = 0;
    /* A zero ends whatever was on its way. */
    board->wire[0] = 0;
    (void)answered(board, 1u, 0);
    status = ask(board, HELLO, 0);
    if (status) return status;
    if (board->words != IDENTITY_BYTES / 2 || get(identity, 4) != MAGIC || identity[4] != LINK_VERSION)
        return LSTMITH_SPI_NO_CORE;
    board->ring = (uint16_t)(1u << identity[6]);
    board->words = 0;
    return LSTMITH_SPI_OK;
}

lstmith_spi_status lstmith_spi_send(lstmith_spi *board, const int16_t *x, size_t count, int start) {
    while (count) {
        const size_t part = count < VALUES ? count : VALUES;
        uint8_t *const body = board->request + REQUEST_HEAD;
        lstmith_spi_status status;
        size_t at;
        body[0] = start ? START : 0;
        put(body + 1, board->place, 2);
        /* Nothing is that far ahead: the answer brings no words. */
        put(body + 3, (uint32_t)board->place + board->ring - 1u, 2);
        for (at = 0; at < part; ++at) put(body + STREAM_HEAD + 2u * at, (uint16_t)x[at], 2);
        status = ask(board, STREAM, STREAM_HEAD + 2u * part);
        if (status) return status;
        board->words = 0;
        start = 0;
        x += part;
        count -= part;
    }
    return LSTMITH_SPI_OK;
}

/* The next word of the ring. */
static lstmith_spi_status next(lstmith_spi *board, uint16_t *word) {
    uint32_t waited = 0;
    while (board->taken == board->words) {
        lstmith_spi_status status;
        if (waited > LSTMITH_SPI_PATIENCE) return LSTMITH_SPI_NO_RESULT;
        put(board->request + REQUEST_HEAD, board->place, 2);
        put(board->request + REQUEST_HEAD + 2, board->place, 2);
        status = ask(board, FETCH, FETCH_HEAD);
        if (status) return status;
        waited += CHUNK;
    }
    *word = (uint16_t)get(board->answer + ANSWER_HEAD + 2u * board->taken, 2);
    ++board->taken;
    ++board->place;
    return LSTMITH_SPI_OK;
}

lstmith_spi_status lstmith_spi_receive(lstmith_spi *board, int16_t *h, size_t units, int *skipped) {
    uint16_t word;
    lstmith_spi_status status = next(board, &word);
    if (status) return status;
    if (word != COMPUTED && word != SKIPPED) return LSTMITH_SPI_BAD_UNITS;
    *skipped = word == SKIPPED;
    if (*skipped) return LSTMITH_SPI_OK;
    while (units--) {
        status = next(board, &word);
        if (status) return status;
        *h++ = (int16_t)word;
    }
    return LSTMITH_SPI_OK;
}
