/* lstmith: driver of an LSTM inference core; see lstmith.h. This text is yours, under any terms. */
#include "lstmith.h"

#include "lstmith_map.h"
#include "lstmith_descriptor.h"

/* First words of an image: magic "LSTI", number of words behind these three, their CRC-32. */
#define HEAD_BYTES 12u
#define MAGIC 0x4954534cu
/* Reads that take longer than the core needs to fetch a layer's record, or to take a loaded h. */
#define SELECT_READS 6u
#define HIDDEN_READS 2u

static uint32_t get(const lstmith *core, uint32_t offset) { return core->access.read(core->access.context, offset); }

static void put(const lstmith *core, uint32_t offset, uint32_t value) {
    core->access.write(core->access.context, offset, value);
}

static uint32_t word_at(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static lstmith_status wait_idle(const lstmith *core) {
    uint32_t patience;
    for (patience = LSTMITH_PATIENCE; patience; --patience) {
        if (!(get(core, LSTMITH_STATUS) & LSTMITH_STATUS_BUSY_MASK)) return LSTMITH_OK;
    }
    return LSTMITH_BUSY;
}

static void pause(const lstmith *core, uint32_t reads) {
    while (reads--) (void)get(core, LSTMITH_STATUS);
}

static const lstmith_program *program_of(const lstmith *core) { return &core->design->programs[core->program]; }

lstmith_status lstmith_open(lstmith *core, const lstmith_access *access, const lstmith_design *design) {
    core->access = *access;
    core->design = design;
    core->image = design->image;
    core->image_size = design->image_size;
    core->program = 0;
    core->left = LSTMITH_NONE;
    lstmith_begin(core);
    if (get(core, LSTMITH_IDENTITY) != LSTMITH_IDENTITY_RESET || get(core, LSTMITH_VERSION) != LSTMITH_VERSION_RESET)
        return LSTMITH_NO_CORE;
    if (wait_idle(core)) return LSTMITH_BUSY;
    put(core, LSTMITH_OUTPUT_ALL, 0);
#ifdef LSTMITH_STREAMS
    if (!access->send != !access->receive) return LSTMITH_BAD_VALUE;
    {
        /* Results that nobody took keep the streams where they are. */
        const uint32_t wanted = access->send ? 0 : LSTMITH_STREAMS_REGISTERS_MASK;
        uint32_t patience = LSTMITH_PATIENCE;
        for (;;) {
            const uint32_t streams = get(core, LSTMITH_STREAMS);
            if ((streams & LSTMITH_STREAMS_REGISTERS_MASK) == wanted && !(streams & LSTMITH_STREAMS_H_VALID_MASK)) break;
            if (!patience--) return LSTMITH_BUSY;
            if (streams & LSTMITH_STREAMS_H_VALID_MASK)
                (void)get(core, LSTMITH_H);
            else
                put(core, LSTMITH_STREAMS, wanted);
        }
    }
#else
    if (!access->send || !access->receive) return LSTMITH_BAD_VALUE;
#endif
    return LSTMITH_OK;
}

/* Image */

static int is_image(const uint8_t *image, uint32_t size) {
    uint32_t crc = 0xffffffffu, i;
    int bit;
    if (size < HEAD_BYTES || word_at(image) != MAGIC || word_at(image + 4) != (size - HEAD_BYTES) / 4 || size % 4) return 0;
    for (i = HEAD_BYTES; i < size; ++i) {
        crc ^= image[i];
        for (bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return (crc ^ 0xffffffffu) == word_at(image + 8);
}

static uint32_t with_field(uint32_t word, uint32_t shift, uint32_t width, uint32_t value) {
    const uint32_t mask = ((1u << width) - 1) << shift;
    return (word & ~mask) | value << shift;
}

#define FIELD(word, name, value) with_field(word, LSTMITH_##name##_SHIFT, LSTMITH_##name##_WIDTH, value)

/* A word of the descriptors under other policies; index counts words from the first descriptor. */
static uint32_t descriptor_word(const lstmith *core, uint32_t index, uint32_t value, const lstmith_policy *policies) {
    const uint8_t layer_count = program_of(core)->layer_count;
    const uint32_t layer = index / LSTMITH_DESCRIPTOR_STRIDE & ((1u << core->design->layer_bits) - 1);
    const uint32_t word = index % LSTMITH_DESCRIPTOR_STRIDE;
    const lstmith_policy *own, *after;
    if (layer >= layer_count) return value;
    own = &policies[layer];
    after = layer + 1u == layer_count ? own : own + 1;
    if (word == LSTMITH_DESCRIPTOR_MODE_WORD) value = FIELD(value, DESCRIPTOR_MODE, own->mode);
    if (word == LSTMITH_DESCRIPTOR_MODE_NEXT_WORD) value = FIELD(value, DESCRIPTOR_MODE_NEXT, after->mode);
    if (word == LSTMITH_DESCRIPTOR_THETA_H_WORD) value = FIELD(value, DESCRIPTOR_THETA_H, own->theta_h);
    if (word == LSTMITH_DESCRIPTOR_LOW_THETA_H_WORD) value = FIELD(value, DESCRIPTOR_LOW_THETA_H, own->low_theta_h);
    if (word == LSTMITH_DESCRIPTOR_THETA_X_NEXT_WORD) value = FIELD(value, DESCRIPTOR_THETA_X_NEXT, after->theta_x);
    if (word == LSTMITH_DESCRIPTOR_LOW_THETA_X_NEXT_WORD) value = FIELD(value, DESCRIPTOR_LOW_THETA_X_NEXT, after->low_theta_x);
    return value;
}

/* Which program a descriptor or a setting of its input belongs to. */
static uint32_t owner(const lstmith *core, uint32_t offset) {
    if (offset < LSTMITH_PROGRAM) return offset / 4 / LSTMITH_PROGRAM_REGISTERS;
    return (offset - LSTMITH_PROGRAM) / 4 / LSTMITH_DESCRIPTOR_STRIDE >> core->design->program_shift;
}

/* What of an image is written: everything, or descriptors and settings alone, of all programs as they are, or of the one
 * that runs under policies. */
static void write_image(lstmith *core, int everything, const lstmith_policy *policies) {
    const uint8_t *next = core->image + HEAD_BYTES, *const end = core->image + core->image_size;
    while (next < end) {
        uint32_t offset = 4 * word_at(next), count = word_at(next + 4);
        for (next += 8; count--; next += 4, offset += 4) {
            uint32_t value = word_at(next);
            if (!everything && offset >= LSTMITH_PROGRAM + 4 * LSTMITH_PROGRAM_WORDS) continue;
            if (policies) {
                const uint32_t setting = offset - 4 * LSTMITH_PROGRAM_REGISTERS * core->program;
                if (owner(core, offset) != core->program) continue;
                if (offset >= LSTMITH_PROGRAM)
                    value = descriptor_word(core, (offset - LSTMITH_PROGRAM) / 4, value, policies);
                else if (setting == LSTMITH_X_GRID)
                    value = (value & ~LSTMITH_X_GRID_MODE_MASK) | (uint32_t)policies->mode << LSTMITH_X_GRID_MODE_SHIFT;
                else if (setting == LSTMITH_X_THETA)
                    value = policies->theta_x;
                else if (setting == LSTMITH_X_LOW_THETA)
                    value = policies->low_theta_x;
            }
            put(core, offset, value);
        }
    }
    lstmith_begin(core);
}

lstmith_status lstmith_load_image(lstmith *core, const void *image, uint32_t size) {
    if (!is_image((const uint8_t *)image, size)) return LSTMITH_BAD_IMAGE;
    if (wait_idle(core)) return LSTMITH_BUSY;
    core->image = (const uint8_t *)image;
    core->image_size = size;
    write_image(core, 1, 0);
    return LSTMITH_OK;
}

lstmith_status lstmith_load(lstmith *core) {
    return lstmith_load_image(core, core->design->image, core->design->image_size);
}

lstmith_status lstmith_set_policies(lstmith *core, const lstmith_policy *policies) {
    const lstmith_design *design = core->design;
    uint8_t i;
    for (i = 0; i < program_of(core)->layer_count; ++i) {
        if ((unsigned)policies[i].mode > LSTMITH_AUTO || (policies[i].mode != LSTMITH_DENSE && !design->delta) ||
            (policies[i].mode == LSTMITH_AUTO && design->planes == 1))
            return LSTMITH_BAD_VALUE;
    }
    if (wait_idle(core)) return LSTMITH_BUSY;
    write_image(core, 0, policies);
    return LSTMITH_OK;
}

/* Steps */

void lstmith_begin(lstmith *core) {
    core->start = 1;
    core->restart = 0;
}

lstmith_status lstmith_select(lstmith *core, uint8_t program) {
    if (program >= core->design->program_count) return LSTMITH_BAD_VALUE;
    core->program = program;
    lstmith_begin(core);
    return LSTMITH_OK;
}

lstmith_status lstmith_hand_over(lstmith *core, uint8_t program) {
    const lstmith_design *design = core->design;
    if (program >= design->program_count || core->left == LSTMITH_NONE || program == core->left ||
        design->programs[program].states != design->programs[core->left].states)
        return LSTMITH_BAD_VALUE;
    core->program = program;
    core->start = 0;
    core->restart = 1;
    return LSTMITH_OK;
}

static int send(const lstmith *core, const lstmith_element *element) {
    if (core->access.send) return core->access.send(core->access.context, element);
#ifdef LSTMITH_STREAMS
    if (!(get(core, LSTMITH_STREAMS) & LSTMITH_STREAMS_X_READY_MASK)) return 0;
    put(core, LSTMITH_X,
        (uint16_t)element->value | (uint32_t)element->start << LSTMITH_X_START_SHIFT |
            (uint32_t)element->restart << LSTMITH_X_RESTART_SHIFT |
            (uint32_t)element->program << LSTMITH_X_PROGRAM_SHIFT);
    return 1;
#else
    return 0;
#endif
}

static int receive(const lstmith *core, lstmith_result *result) {
    if (core->access.receive) return core->access.receive(core->access.context, result);
#ifdef LSTMITH_STREAMS
    {
        const uint32_t word = get(core, LSTMITH_H);
        if (!(word & LSTMITH_H_VALID_MASK)) return 0;
        result->value = (int16_t)(uint16_t)word;
        result->last = (word & LSTMITH_H_LAST_MASK) != 0;
        result->layer = (uint8_t)((word & LSTMITH_H_LAYER_MASK) >> LSTMITH_H_LAYER_SHIFT);
        return 1;
    }
#else
    return 0;
#endif
}

static uint16_t unit_at(const lstmith_layer *layer, uint16_t place) { return layer->order ? layer->order[place] : place; }

/* Steps whose results are stored in h, or compared with wanted. */
static lstmith_status stream(lstmith *core, const int16_t *x, uint32_t steps, int16_t *h, const int16_t *wanted) {
    const lstmith_program *program = program_of(core);
    const lstmith_layer *last = &program->layers[program->layer_count - 1];
    uint32_t left = steps * program->layers[0].inputs, due = steps, patience = LSTMITH_PATIENCE;
    uint16_t place = 0;
    lstmith_status status = LSTMITH_OK;
    while (due) {
        lstmith_result result;
        lstmith_element element;
        int moved = 0;
        if (left) {
            element.value = *x;
            element.start = core->start;
            element.restart = core->restart;
            element.program = core->program;
            if (send(core, &element)) {
                core->left = core->program;
                core->start = core->restart = 0;
                ++x, --left, moved = 1;
            }
        }
        if (receive(core, &result)) {
            const uint16_t unit = unit_at(last, place);
            moved = 1;
            if (h) h[unit] = result.value;
            if (wanted && wanted[unit] != result.value) status = LSTMITH_WRONG;
            if (++place == program->answers) {
                place = 0;
                --due;
                if (h) h += program->answers;
                if (wanted) wanted += program->answers;
            }
        }
        patience = moved ? LSTMITH_PATIENCE : patience - 1;
        if (!patience) return LSTMITH_NO_ANSWER;
    }
    return status;
}

lstmith_status lstmith_run(lstmith *core, const int16_t *x, uint32_t steps, int16_t *h) {
    return stream(core, x, steps, h, 0);
}

lstmith_status lstmith_self_test(lstmith *core) {
    const lstmith_design *design = core->design;
    const uint8_t selected = core->program;
    lstmith_status status = LSTMITH_OK;
    uint8_t i;
    if (wait_idle(core)) return LSTMITH_BUSY;
    write_image(core, 0, 0);
    for (i = 0; i < design->test_count && !status; ++i) {
        const lstmith_test *const test = &design->tests[i];
        core->program = test->program;
        core->start = !test->handed;
        core->restart = test->handed;
        status = stream(core, test->x, test->steps, 0, test->h);
    }
    core->program = selected;
    lstmith_begin(core);
    return status;
}

/* States and counters */

static uint32_t base_of(const lstmith *core, uint8_t layer) {
    uint32_t base = program_of(core)->place;
    while (layer--) base += program_of(core)->layers[layer].units;
    return base;
}

lstmith_status lstmith_get_state(lstmith *core, uint8_t layer, int16_t *h, int32_t *c) {
    const lstmith_layer *const own = &program_of(core)->layers[layer];
    uint32_t offset;
    uint16_t place;
    if (layer >= program_of(core)->layer_count) return LSTMITH_BAD_VALUE;
    if (wait_idle(core)) return LSTMITH_BUSY;
    offset = 4 * base_of(core, layer);
    for (place = 0; place < own->units; ++place, offset += 4) {
        h[unit_at(own, place)] = (int16_t)get(core, LSTMITH_HIDDEN + offset);
        c[unit_at(own, place)] = (int32_t)get(core, LSTMITH_CELL + offset);
    }
    return LSTMITH_OK;
}

lstmith_status lstmith_set_state(lstmith *core, uint8_t layer, const int16_t *h, const int32_t *c) {
    const lstmith_layer *const own = &program_of(core)->layers[layer];
    uint32_t base;
    uint16_t place;
    if (layer >= program_of(core)->layer_count) return LSTMITH_BAD_VALUE;
    if (wait_idle(core)) return LSTMITH_BUSY;
    base = 4 * base_of(core, layer);
    core->left = LSTMITH_NONE;
    put(core, LSTMITH_LOAD, (layer + 1u) | (uint32_t)core->program << LSTMITH_LOAD_PROGRAM_SHIFT);
    pause(core, SELECT_READS);
    for (place = 0; place < own->units; ++place) {
        put(core, LSTMITH_HIDDEN + base + 4u * place, (uint32_t)h[unit_at(own, place)]);
        pause(core, HIDDEN_READS);
    }
    put(core, LSTMITH_LOAD, 0);
    pause(core, SELECT_READS);
    for (place = 0; place < own->units; ++place)
        put(core, LSTMITH_CELL + base + 4u * place, (uint32_t)c[unit_at(own, place)]);
    core->start = 0;
    core->restart = 1;
    return LSTMITH_OK;
}

void lstmith_count(lstmith *core, lstmith_counters *counters) {
    const lstmith_counters none = {0, 0, 0, 0, 0, 0};
    *counters = none;
    counters->cycles = get(core, LSTMITH_CYCLES);
#ifdef LSTMITH_WORDS_4
    counters->words_4 = get(core, LSTMITH_WORDS_4);
#endif
#ifdef LSTMITH_WORDS_8
    counters->words_8 = get(core, LSTMITH_WORDS_8);
#endif
#ifdef LSTMITH_WORDS_16
    counters->words_16 = get(core, LSTMITH_WORDS_16);
#endif
#ifdef LSTMITH_SKIPPED
    counters->skipped = get(core, LSTMITH_SKIPPED);
#endif
#ifdef LSTMITH_RESTARTS
    counters->restarts = get(core, LSTMITH_RESTARTS);
#endif
}
