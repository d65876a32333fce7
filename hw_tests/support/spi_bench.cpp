// Runs a microcontroller's driver against a Verilated board with an SPI front.
//
// usage: spi_bench SEED FAULTS
// SCK has any period from the shortest on. FAULTS thousandths of all bits are flipped on the wires, and as many exchanges are
// cut off: the rest of their bytes is never sent. Standard input holds integers: inputs, units, steps, x of all steps.
// Every line of the output is a name and integers.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <random>
#include <vector>

#include "Vboard.h"
#include "lstmith_spi.h"
#include "verilated.h"

namespace {

// Cycles of a level of SCK, and most of them.
constexpr int kLevel = 3, kMost = 9;

Vboard board;
std::mt19937 random_bits;
int faults = 0;
long cycles = 0, exchanged = 0;

bool happens() { return static_cast<int>(random_bits() % 1000) < faults; }

void run(int count) {
    for (; count > 0; --count, ++cycles) {
        board.clk = 0;
        board.eval();
        board.clk = 1;
        board.eval();
    }
}

void level(bool sck) {
    board.spi_sck = sck;
    run(kLevel + static_cast<int>(random_bits() % (kMost - kLevel)));
}

void exchange(void*, uint8_t* bytes, size_t count) {
    board.spi_select = 1;
    run(2 * kLevel);
    const bool cut = happens();
    const size_t bits = cut ? random_bits() % (8 * count) : 8 * count;
    for (size_t at = 0; at < count; ++at) {
        uint8_t received = 0;
        for (size_t place = 0; place < 8 && 8 * at + place < bits; ++place) {
            board.spi_copi = (bytes[at] >> (7 - place) & 1) ^ happens();
            level(false);
            // What the controller sees at the edge.
            received |= static_cast<uint8_t>((board.spi_cipo ^ happens()) << (7 - place));
            level(true);
        }
        bytes[at] = received;
        ++exchanged;
    }
    board.spi_sck = 0;
    run(kLevel);
    board.spi_select = 0;
    run(2 * kLevel);
}

long next() {
    long value = 0;
    std::cin >> value;
    return value;
}

int told(const char* name, int status) {
    std::printf("%s %d\n", name, status);
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 1;
    random_bits.seed(std::atoi(argv[1]));
    board.rst = 1;
    run(16);
    board.rst = 0;
    const long inputs = next(), units = next(), steps = next();
    std::vector<int16_t> x, h(units);
    for (long left = inputs * steps; left > 0; --left) x.push_back(static_cast<int16_t>(next()));
    faults = std::atoi(argv[2]);
    static lstmith_spi driver;
    if (told("open", lstmith_spi_open(&driver, exchange, nullptr))) return 0;
    for (long step = 0; step < steps; ++step) {
        const int16_t* const values = x.data() + step * inputs;
        // Each other step in two parts.
        const long first = step % 2 && inputs > 1 ? inputs / 2 : inputs;
        if (told("send", lstmith_spi_send(&driver, values, first, step == 0))) return 0;
        if (first < inputs && told("send", lstmith_spi_send(&driver, values + first, inputs - first, 0))) return 0;
        int skipped = 0;
        if (told("receive", lstmith_spi_receive(&driver, h.data(), units, &skipped))) return 0;
        std::printf("h %d", skipped);
        for (const int16_t value : h) std::printf(" %d", value);
        std::printf("\nlights %d\n", board.lights);
    }
    // Half a step has no result, and the session goes on.
    faults = 0;
    if (inputs > 1) {
        told("send", lstmith_spi_send(&driver, x.data(), 1, 1));
        int skipped = 0;
        told("receive", lstmith_spi_receive(&driver, h.data(), units, &skipped));
        told("send", lstmith_spi_send(&driver, x.data() + 1, inputs - 1, 0));
        told("receive", lstmith_spi_receive(&driver, h.data(), units, &skipped));
        std::printf("h %d", skipped);
        for (const int16_t value : h) std::printf(" %d", value);
        std::printf("\n");
    }
    told("open", lstmith_spi_open(&driver, exchange, nullptr));
    std::printf("exchanged %ld\n", exchanged);
    board.final();
    return 0;
}
