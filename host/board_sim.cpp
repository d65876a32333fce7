// The virtual board: a Verilated board top whose UART pins are a pseudo-terminal.
//
// usage: board_sim CLOCKS_PER_BIT
// Prints the name of the terminal, then simulates until SIGINT or SIGTERM; prints the cycles so far at SIGUSR1, resets the
// board at SIGUSR2. Bytes from the terminal go bit by bit to the pin rx, what comes bit by bit out of the pin tx goes to
// the terminal. While nothing happens on either pin and
// the board is not busy, simulated time stands still and the program sleeps.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <deque>

#include "Vboard.h"
#include "verilated.h"

namespace {

volatile sig_atomic_t ended = 0, asked = 0, resets = 0;

void end(int) { ended = 1; }
void ask(int) { asked = 1; }
void reset(int) { resets = 1; }

constexpr int kResetCycles = 16;
// Frame bits of a byte: start, 8 data, stop.
constexpr int kBits = 10;
// Bit times without anything on the pins after which the board may sleep, if it is not busy.
constexpr int64_t kQuietBits = 64;
// Cycles between two looks at the terminal: a system call costs as much as some cycles.
constexpr int64_t kPoll = 256;
// Longest sleep: a signal that comes just before it is noticed after it.
constexpr int kSleepMs = 500;

class Terminal {
public:
    Terminal() {
        master_ = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
        if (master_ < 0 || grantpt(master_) || unlockpt(master_) || ptsname_r(master_, name_, sizeof name_)) fail("pty");
        // Held open: programs come and go without the terminal, or what waits in it, going away.
        slave_ = open(name_, O_RDWR | O_NOCTTY);
        termios settings;
        if (slave_ < 0 || tcgetattr(slave_, &settings)) fail(name_);
        cfmakeraw(&settings);
        if (tcsetattr(slave_, TCSANOW, &settings)) fail(name_);
    }

    ~Terminal() {
        close(slave_);
        close(master_);
    }

    const char* name() const { return name_; }

    // Takes what has come; waits for it at most so many milliseconds.
    void take(std::deque<uint8_t>& bytes, int wait) {
        pollfd entry{master_, POLLIN, 0};
        if (poll(&entry, 1, wait) <= 0) return;
        uint8_t buffer[512];
        const ssize_t count = read(master_, buffer, sizeof buffer);
        for (ssize_t i = 0; i < count; ++i) bytes.push_back(buffer[i]);
    }

    // A terminal nobody reads is full at some time; then bytes are lost, as they are on a wire.
    void give(uint8_t byte) {
        if (write(master_, &byte, 1) != 1) return;
    }

private:
    [[noreturn]] static void fail(const char* what) {
        std::perror(what);
        std::exit(1);
    }

    int master_, slave_;
    char name_[128];
};

class Board {
public:
    Board(Terminal& terminal, int64_t clocks) : terminal_(terminal), clocks_(clocks) {
        board_.rx = 1;
        reset();
    }

    ~Board() { board_.final(); }

    void run() {
        while (!ended) {
            if (asked) {
                asked = 0;
                std::printf("%lld\n", static_cast<long long>(cycles_));
                std::fflush(stdout);
            }
            if (resets) {
                resets = 0;
                reset();
            }
            const bool asleep = bytes_.empty() && quiet_ > kQuietBits * clocks_ && !board_.busy;
            terminal_.take(bytes_, asleep ? kSleepMs : 0);
            for (int64_t i = 0; i < kPoll; ++i) {
                send();
                tick();
                receive();
            }
        }
    }

private:
    // What is on the wire meanwhile is lost or damaged.
    void reset() {
        board_.rst = 1;
        for (int i = 0; i < kResetCycles; ++i) tick();
        board_.rst = 0;
    }

    void tick() {
        board_.clk = 0;
        board_.eval();
        board_.clk = 1;
        board_.eval();
        ++quiet_;
        ++cycles_;
    }

    // The host's side of rx: one byte after the other, without a pause between them.
    void send() {
        if (send_left_ == 0) {
            if (bytes_.empty()) return;
            // Stop bit, data, start bit; the line rests at 1.
            shift_ = 1u << 9 | uint32_t{bytes_.front()} << 1;
            bytes_.pop_front();
            send_left_ = kBits * clocks_;
        }
        board_.rx = shift_ >> (kBits - 1 - (send_left_ - 1) / clocks_) & 1;
        --send_left_;
        quiet_ = 0;
    }

    // The host's side of tx: samples each bit in its middle.
    void receive() {
        if (receive_at_ < 0) {
            if (board_.tx) return;
            receive_at_ = 0;
            byte_ = 0;
        }
        const int64_t bit = receive_at_ / clocks_;
        if (receive_at_ % clocks_ == clocks_ / 2) {
            if (bit > 0 && bit < kBits - 1) byte_ |= uint32_t{board_.tx} << (bit - 1);
            if (bit == kBits - 1) {
                if (board_.tx) terminal_.give(static_cast<uint8_t>(byte_));
                receive_at_ = -1;
                quiet_ = 0;
                return;
            }
        }
        ++receive_at_;
        quiet_ = 0;
    }

    Vboard board_;
    Terminal& terminal_;
    std::deque<uint8_t> bytes_;
    int64_t clocks_, cycles_ = 0, quiet_ = 0, send_left_ = 0, receive_at_ = -1;
    uint32_t shift_ = 0, byte_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 1;
    struct sigaction action = {};
    action.sa_handler = end;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    action.sa_handler = ask;
    sigaction(SIGUSR1, &action, nullptr);
    action.sa_handler = reset;
    sigaction(SIGUSR2, &action, nullptr);
    // Whoever started this may be killed without a chance to end it.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    Terminal terminal;
    Board board(terminal, std::atoll(argv[1]));
    std::printf("%s\n", terminal.name());
    std::fflush(stdout);
    board.run();
    return 0;
}
