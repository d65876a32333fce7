// Runs jobs on the core at the speed of compiled code: the counterpart of core_bench.py without Python.
//
// usage: harness JOBS ANSWERS [VCD]
// Both files are int64 words; host/compiled.py writes the one and reads the other. Handshake outputs are
// sampled before the rising edge, with this cycle's inputs already applied. If built to trace, all jobs' steps
// are dumped as VCD, from the first job's first input to the last job's end, without the writes before.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vlstmith_core.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

namespace {

constexpr int64_t kResetCycles = 4;
constexpr int64_t kQuietCycles = 20;
// Words of a row of results, events and outcomes.
constexpr int64_t kResult = 4, kEvent = 7, kOutcome = 2;
// From this bit of a layer on, its sequence.
constexpr int kSequence = 8;
// No network here takes this long between two inputs, results or events.
constexpr int64_t kHung = 2000000;

int64_t sign_extend(uint64_t value, int64_t bits) {
    const uint64_t sign = uint64_t{1} << (bits - 1);
    return static_cast<int64_t>((value ^ sign) - sign);
}

class Bench {
public:
    Bench(int64_t cell_bits, const char* trace) : cell_bits_(cell_bits) {
#if VM_TRACE
        if (trace) {
            core_.trace(&dump_, 1);
            dump_.open(trace);
        }
#endif
        core_.h_ready = 1;
        core_.rst = 1;
        for (int64_t i = 0; i < kResetCycles; ++i) tick();
        core_.rst = 0;
    }

    ~Bench() { core_.final(); }

    void write(int64_t address, int64_t data, int64_t idle) {
#if FIXED
        std::fprintf(stderr, "a fixed core has no bus to write %ld at %ld\n", long(data), long(address));
        std::exit(1);
#else
        core_.bus_addr = address;
        core_.bus_w_data = data;
        core_.bus_w_en = 1;
        tick();
        core_.bus_w_en = 0;
#endif
        for (; idle > 0; --idle) tick();
    }

    // Each element is one word: value, start, restart, mark, mask, sequence, program from bit 0 on.
    void run(const int64_t* elements, int64_t count, int64_t steps) {
        for (int64_t i = 0; i < kQuietCycles; ++i) tick();
        results.clear();
        events.clear();
        outcomes.clear();
        first_input = -1;
        int64_t sent = 0, quiet = 0;
        while (sent < count || static_cast<int64_t>(outcomes.size()) < kOutcome * steps || core_.busy ||
               core_.h_valid) {
            const int64_t element = sent < count ? elements[sent] : 0;
            core_.x_valid = sent < count;
            core_.x_value = element & 0xFFFF;
            core_.x_start = element >> 16 & 1;
            core_.x_restart = element >> 17 & 1;
            core_.x_mark = element >> 18 & 1;
            core_.x_mask = element >> 19 & 7;
#if SEQUENCES > 1
            core_.x_sequence = element >> 22 & 1;
#endif
#if PROGRAMS > 1
            core_.x_program = element >> 23 & 7;
#endif
            core_.clk = 0;
            core_.eval();
            dump(2 * cycle_);
            const bool taken = core_.x_valid && core_.x_ready;
            if (taken && sent++ == 0) first_input = cycle_;
            if (core_.h_valid) {
                results.insert(results.end(), {sign_extend(core_.h_value, 16), sign_extend(core_.h_cell, cell_bits_),
                                               core_.h_layer | h_sequence() << kSequence, core_.h_last});
            }
            if (core_.event_valid) {
                events.insert(events.end(), {cycle_, core_.event_layer | event_sequence() << kSequence,
                                             core_.event_columns, event_digits(), event_low(),
                                             core_.event_restart, core_.event_mask});
            }
            if (core_.outcome_valid) outcomes.insert(outcomes.end(), {cycle_, core_.outcome_skipped});
            quiet = taken || core_.h_valid || core_.event_valid || core_.outcome_valid ? 0 : quiet + 1;
            if (quiet > kHung) {
                std::fprintf(stderr, "core hangs after %ld of %ld inputs\n", long(sent), long(count));
                std::exit(1);
            }
            core_.clk = 1;
            core_.eval();
            dump(2 * cycle_ + 1);
            ++cycle_;
        }
        core_.x_valid = 0;
    }

    std::vector<int64_t> results, events, outcomes;
    int64_t first_input = -1;

private:
    void tick() {
        core_.clk = 0;
        core_.eval();
        core_.clk = 1;
        core_.eval();
        ++cycle_;
    }

#if SEQUENCES > 1
    int64_t h_sequence() const { return core_.h_sequence; }
    int64_t event_sequence() const { return core_.event_sequence; }
#else
    static int64_t h_sequence() { return 0; }
    static int64_t event_sequence() { return 0; }
#endif

    // With one plane each column has one digit, and none of the low plane.
#if PLANES > 1
    int64_t event_digits() const { return core_.event_digits; }
    int64_t event_low() const { return core_.event_low; }
#else
    int64_t event_digits() const { return core_.event_columns; }
    static int64_t event_low() { return 0; }
#endif

    // Times are half cycles.
    void dump(int64_t time) {
#if VM_TRACE
        if (dump_.isOpen()) dump_.dump(static_cast<uint64_t>(time));
#endif
    }

    Vlstmith_core core_;
#if VM_TRACE
    VerilatedVcdC dump_;
#endif
    int64_t cell_bits_, cycle_ = 0;
};

std::vector<int64_t> read_words(const char* path) {
    std::vector<int64_t> words;
    std::FILE* file = std::fopen(path, "rb");
    if (!file) std::exit(1);
    std::fseek(file, 0, SEEK_END);
    words.resize(std::ftell(file) / sizeof(int64_t));
    std::rewind(file);
    if (std::fread(words.data(), sizeof(int64_t), words.size(), file) != words.size()) std::exit(1);
    std::fclose(file);
    return words;
}

void put(std::FILE* file, const std::vector<int64_t>& words) {
    if (std::fwrite(words.data(), sizeof(int64_t), words.size(), file) != words.size()) std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
    Verilated::traceEverOn(VM_TRACE);
    if (argc != 3 && argc != 4) return 1;
    const std::vector<int64_t> words = read_words(argv[1]);
    const int64_t* next = words.data();
    std::FILE* out = std::fopen(argv[2], "wb");
    if (!out) return 1;
    const int64_t jobs = *next++;
    Bench bench(*next++, argc == 4 ? argv[3] : nullptr);
    for (int64_t job = 0; job < jobs; ++job) {
        const int64_t writes = *next++, elements = *next++, steps = *next++;
        for (int64_t i = 0; i < writes; ++i, next += 3) bench.write(next[0], next[1], next[2]);
        bench.run(next, elements, steps);
        next += elements;
        const auto rows = [](const std::vector<int64_t>& v, int64_t row) { return static_cast<int64_t>(v.size()) / row; };
        put(out, {bench.first_input, rows(bench.results, kResult), rows(bench.events, kEvent),
                  rows(bench.outcomes, kOutcome)});
        put(out, bench.results);
        put(out, bench.events);
        put(out, bench.outcomes);
        // One line per job, for whoever shows progress.
        std::printf("%ld\n", long(job + 1));
        std::fflush(stdout);
    }
    return std::fclose(out);
}
