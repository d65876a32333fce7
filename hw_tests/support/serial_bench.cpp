// A Verilated module with a serial port, driven byte by byte through a pipe: hw_tests/support/serial_bench.py is the other end.
//
// usage: serial_bench CYCLES_PER_BIT
// Requests on standard input: u32 kind, u32 argument, u32 count, then count bytes. Kinds:
//   0  send the bytes, then run until nothing happens any more, at most as many cycles as the argument says
//   1  send the bytes, then run as many cycles as the argument says
//   2  hold reset for as many cycles as the argument says
//   3  bits that are sent last as many thousandths of a cycle as the argument says
//   4  block the probe's engine, or release it
//   5  as 0, but the last byte has a low stop bit
//   6  have the bytes sent once so many cycles have passed as the argument says; does not wait
//   7  run until a zero byte is received, at most as many cycles as the argument says
// Answers: u32 count, the bytes that were received, u32 count, u32 triples of what the probe's engine was told
// (0 write, 1 input, 2 reset), u32 whether the module came to rest, u64 cycles so far.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <vector>

#include "Vdut.h"
#include "verilated.h"

namespace {

// Cycles without anything after which nothing more is expected.
constexpr int64_t kQuiet = 64;
// Cycles between two ticks of the watchdog, where the module leaves them to us.
constexpr int64_t kTick = 4096;
constexpr int kBits = 10;
// In thousandths of a cycle.
constexpr int64_t kCycle = 1000, kHalf = kCycle / 2;

class Bench {
public:
    explicit Bench(int64_t cycles_per_bit) : receive_(cycles_per_bit), send_(kCycle * cycles_per_bit) {
        dut_.rx = 1;
        reset(4);
    }

    ~Bench() { dut_.final(); }

    void reset(int64_t cycles) {
        dut_.rst = 1;
        for (; cycles > 0; --cycles) tick();
        dut_.rst = 0;
        bit_ = -1;
    }

    void queue(const std::vector<uint8_t>& bytes, bool broken, int64_t delay) {
        for (size_t i = 0; i < bytes.size(); ++i) {
            const bool stop = !(broken && i + 1 == bytes.size());
            waiting_.push_back({cycle_ + delay, bytes[i] << 1 | stop << 9});
        }
    }

    void send(const std::vector<uint8_t>& bytes, bool broken) {
        queue(bytes, broken, 0);
        while (!waiting_.empty() || left_ > kHalf || place_ + 1 < kBits) tick();
        dut_.rx = 1;
        if (broken) run(2 * receive_);
    }

    void listen(int64_t cycles) {
        for (; cycles > 0 && (received.empty() || received.back()); --cycles) tick();
    }

    void run(int64_t cycles) {
        for (; cycles > 0; --cycles) tick();
    }

    bool rest(int64_t cycles) {
        int64_t quiet = 0;
        for (; cycles > 0 && quiet < kQuiet; --cycles) {
            tick();
            quiet = dut_.busy || bit_ >= 0 ? 0 : quiet + 1;
        }
        return quiet >= kQuiet;
    }

    void period(int64_t thousandths) { send_ = thousandths; }

    uint64_t cycles() const { return cycle_; }

    void block(bool on) {
#ifdef PROBE
        dut_.block = on;
#endif
    }

    std::vector<uint8_t> received;
    std::vector<uint32_t> told;

private:
    void tick() {
#ifdef PROBE
        dut_.tick = cycle_ % kTick == 0;
#endif
        dut_.clk = 0;
        talk();
        dut_.eval();
#ifdef PROBE
        if (!dut_.rst) {
            if (dut_.w_en) told.insert(told.end(), {0, dut_.w_addr, dut_.w_data});
            if (dut_.x_en) told.insert(told.end(), {1, dut_.x_value, dut_.x_flags});
            if (dut_.reset) told.insert(told.end(), {2, 0, 0});
        }
#endif
        hear();
        dut_.clk = 1;
        dut_.eval();
        ++cycle_;
    }

    // The host's side of rx: bits need not be a whole number of cycles long.
    void talk() {
        if (left_ <= kHalf) {
            if (place_ + 1 == kBits) {
                if (waiting_.empty() || waiting_.front().due > cycle_) {
                    left_ = 0;
                    return;
                }
                frame_ = waiting_.front().frame;
                waiting_.pop_front();
                place_ = -1;
            }
            dut_.rx = frame_ >> ++place_ & 1;
            left_ += send_;
        }
        left_ -= kCycle;
    }

    // The host's side of tx.
    void hear() {
        if (bit_ < 0) {
            if (!dut_.tx) bit_ = 0, since_ = 0, byte_ = 0;
        } else if (++since_ % receive_ == receive_ / 2 && since_ / receive_ > bit_) {
            if (++bit_ == kBits - 1) {
                if (!dut_.tx) std::fprintf(stderr, "stop bit is low\n");
                received.push_back(byte_);
                bit_ = -1;
            } else {
                byte_ |= dut_.tx << (bit_ - 1);
            }
        }
    }

    struct Waiting {
        int64_t due;
        int frame;
    };

    Vdut dut_;
    std::deque<Waiting> waiting_;
    // Of the bit that is sent: thousandths of a cycle that are left, its frame, and its place there.
    int64_t receive_, send_, cycle_ = 0, since_ = 0, left_ = 0;
    int bit_ = -1, frame_ = 0, place_ = kBits - 1;
    uint8_t byte_ = 0;
};

bool get(void* data, size_t size) { return size == 0 || std::fread(data, size, 1, stdin) == 1; }

void put(const void* data, size_t size) {
    if (size && std::fwrite(data, size, 1, stdout) != 1) std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 1;
    Bench bench(std::atoll(argv[1]));
    uint32_t head[3];
    while (get(head, sizeof head)) {
        std::vector<uint8_t> bytes(head[2]);
        if (!get(bytes.data(), bytes.size())) return 1;
        uint32_t rests = 1;
        switch (head[0]) {
            case 0:
            case 5:
                bench.send(bytes, head[0] == 5);
                rests = bench.rest(head[1]);
                break;
            case 1:
                bench.send(bytes, false);
                bench.run(head[1]);
                break;
            case 2: bench.reset(head[1]); break;
            case 3: bench.period(head[1]); break;
            case 4: bench.block(head[1]); break;
            case 6: bench.queue(bytes, false, head[1]); break;
            case 7: bench.listen(head[1]); break;
            default: return 1;
        }
        const uint32_t received = bench.received.size(), told = bench.told.size() / 3;
        put(&received, sizeof received);
        put(bench.received.data(), received);
        put(&told, sizeof told);
        put(bench.told.data(), 12 * told);
        put(&rests, sizeof rests);
        const uint64_t cycles = bench.cycles();
        put(&cycles, sizeof cycles);
        std::fflush(stdout);
        bench.received.clear();
        bench.told.clear();
    }
    return 0;
}
