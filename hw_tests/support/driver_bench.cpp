// Runs the C driver against a core in Verilator: the native bus and its streams, or an AXI or Wishbone slave alone.
//
// Standard input holds integers: the number of steps, x of all steps, then mode, theta_x, theta_h, low_theta_x and
// low_theta_h of every layer. Of a design of several programs (built with PROGRAMS): the number of steps, x of all steps of
// each program, the number of sequences, and of each its program and whether it takes states over; mode and thresholds
// of the last one's layer, as above. Every line of the output is a name and integers.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <vector>

#include "Vlstmith_core.h"
#include "lstmith_core_design.h"
#include "verilated.h"

namespace {

Vlstmith_core* core;
[[maybe_unused]] constexpr int kReadLatency = 4;
// No slave takes as long for an access.
[[maybe_unused]] constexpr int kPatience = 1000;

#if defined(BUS_AXI)
auto& clock_of(Vlstmith_core& it) { return it.aclk; }
void reset(bool active) { core->aresetn = !active; }
#elif defined(BUS_WISHBONE)
auto& clock_of(Vlstmith_core& it) { return it.wb_clk_i; }
void reset(bool active) { core->wb_rst_i = active; }
#else
auto& clock_of(Vlstmith_core& it) { return it.clk; }
void reset(bool active) { core->rst = active; }
// Results that the core has sent and the driver has not asked for.
std::deque<lstmith_result> results;
#endif

// Up to the rising edge, with the inputs applied; outputs are those that the edge sees.
void settle() {
    clock_of(*core) = 0;
    core->eval();
}

void tick() {
    settle();
#if !defined(BUS_AXI) && !defined(BUS_WISHBONE)
    if (core->h_valid && core->h_ready) {
        results.push_back({static_cast<int16_t>(core->h_value), static_cast<uint8_t>(core->h_layer),
                           static_cast<uint8_t>(core->h_last)});
    }
#endif
    clock_of(*core) = 1;
    core->eval();
}

[[maybe_unused]] void refuse(bool wrong, const char* what, uint32_t offset) {
    if (!wrong) return;
    std::printf("%s at %x\n", what, offset);
    std::exit(1);
}

#if defined(BUS_AXI)

void write_word(void*, uint32_t offset, uint32_t value) {
    core->s_axil_awaddr = offset;
    core->s_axil_wdata = value;
    core->s_axil_wstrb = 15;
    core->s_axil_awvalid = core->s_axil_wvalid = core->s_axil_bready = 1;
    for (int waited = 0;; ++waited) {
        settle();
        const bool address = core->s_axil_awready, data = core->s_axil_wready, over = core->s_axil_bvalid;
        refuse(over && core->s_axil_bresp, "refused write", offset);
        refuse(waited > kPatience, "no answer to a write", offset);
        tick();
        if (address) core->s_axil_awvalid = 0;
        if (data) core->s_axil_wvalid = 0;
        if (over) break;
    }
    core->s_axil_bready = 0;
}

uint32_t read_word(void*, uint32_t offset) {
    core->s_axil_araddr = offset;
    core->s_axil_arvalid = core->s_axil_rready = 1;
    for (int waited = 0;; ++waited) {
        settle();
        const bool address = core->s_axil_arready, over = core->s_axil_rvalid;
        const uint32_t data = core->s_axil_rdata;
        refuse(over && core->s_axil_rresp, "refused read", offset);
        refuse(waited > kPatience, "no answer to a read", offset);
        tick();
        if (address) core->s_axil_arvalid = 0;
        if (!over) continue;
        core->s_axil_rready = 0;
        return data;
    }
}

#elif defined(BUS_WISHBONE)

uint32_t access_word(bool write, uint32_t offset, uint32_t value) {
    core->wb_cyc_i = core->wb_stb_i = 1;
    core->wb_we_i = write;
    core->wb_adr_i = offset / 4;
    core->wb_dat_i = value;
    core->wb_sel_i = 15;
    for (int waited = 0;; ++waited) {
        settle();
        const bool over = core->wb_ack_o;
        const uint32_t data = core->wb_dat_o;
        refuse(core->wb_err_o, write ? "refused write" : "refused read", offset);
        refuse(waited > kPatience, "no answer", offset);
        tick();
        if (!over) continue;
        core->wb_cyc_i = core->wb_stb_i = 0;
        return data;
    }
}

void write_word(void*, uint32_t offset, uint32_t value) { access_word(true, offset, value); }

uint32_t read_word(void*, uint32_t offset) { return access_word(false, offset, 0); }

#else

void write_word(void*, uint32_t offset, uint32_t value) {
    core->bus_addr = offset / 4;
    core->bus_w_data = value;
    core->bus_w_en = 1;
    tick();
    core->bus_w_en = 0;
}

uint32_t read_word(void*, uint32_t offset) {
    core->bus_addr = offset / 4;
    core->bus_r_en = 1;
    tick();
    core->bus_r_en = 0;
    for (int i = 1; i < kReadLatency; ++i) tick();
    return core->bus_r_data;
}

int send(void*, const lstmith_element* element) {
    core->x_value = static_cast<uint16_t>(element->value);
    core->x_start = element->start;
    core->x_restart = element->restart;
#if defined(PROGRAMS)
    core->x_program = element->program;
#endif
    core->x_valid = 1;
    settle();
    const int taken = core->x_ready;
    tick();
    core->x_valid = 0;
    return taken;
}

int receive(void*, lstmith_result* result) {
    if (results.empty()) {
        tick();
        return 0;
    }
    *result = results.front();
    results.pop_front();
    return 1;
}

#endif

template <class T>
void show(const char* name, const std::vector<T>& values) {
    std::printf("%s", name);
    for (const T value : values) std::printf(" %d", static_cast<int>(value));
    std::printf("\n");
}

void show(const char* name, int value) { show(name, std::vector<int>{value}); }

struct State {
    std::vector<int16_t> h;
    std::vector<int32_t> c;
};

lstmith opened() {
    core = new Vlstmith_core;
    reset(true);
    for (int i = 0; i < 4; ++i) tick();
    reset(false);
    lstmith driver;
#if defined(BUS_AXI) || defined(BUS_WISHBONE)
    const lstmith_access access = {nullptr, write_word, read_word, nullptr, nullptr};
#else
    core->h_ready = 1;
    const lstmith_access access = {nullptr, write_word, read_word, send, receive};
#endif
    show("open", lstmith_open(&driver, &access, &lstmith_core_design));
    show("unloaded", lstmith_self_test(&driver));
    show("load", lstmith_load(&driver));
    show("self_test", lstmith_self_test(&driver));
    return driver;
}

#if defined(PROGRAMS)

void run_all() {
    const lstmith_design& design = lstmith_core_design;
    unsigned steps = 0, sequences = 0;
    std::cin >> steps;
    std::vector<std::vector<int16_t>> x;
    for (unsigned program = 0; program < design.program_count; ++program) {
        x.emplace_back(steps * design.programs[program].layers[0].inputs);
        for (int16_t& value : x.back()) std::cin >> value;
    }
    lstmith driver = opened();
    std::cin >> sequences;
    State state;
    unsigned program = 0;
    const auto run = [&] {
        std::vector<int16_t> h(steps * design.programs[program].answers);
        show("run", lstmith_run(&driver, x[program].data(), steps, h.data()));
        show("h", h);
    };
    while (sequences--) {
        unsigned handed = 0;
        std::cin >> program >> handed;
        const int chosen = handed ? lstmith_hand_over(&driver, program) : lstmith_select(&driver, program);
        show("chosen", chosen);
        if (chosen) continue;
        run();
        const lstmith_layer& first = design.programs[program].layers[0];
        state = {std::vector<int16_t>(first.units), std::vector<int32_t>(first.units)};
        show("get_state", lstmith_get_state(&driver, 0, state.h.data(), state.c.data()));
        show("state_c", state.c);
    }
    // Its states, behind those of another program; then its policy, which that one has not.
    show("other", lstmith_self_test(&driver));
    show("set_state", lstmith_set_state(&driver, 0, state.h.data(), state.c.data()));
    show("not_left", lstmith_hand_over(&driver, !program));
    run();
    int mode = 0;
    lstmith_policy policy = {};
    std::cin >> mode >> policy.theta_x >> policy.theta_h >> policy.low_theta_x >> policy.low_theta_h;
    policy.mode = static_cast<lstmith_mode>(mode);
    show("set_policies", lstmith_set_policies(&driver, &policy));
    run();
    program = !program;
    show("chosen", lstmith_select(&driver, program));
    run();
    show("self_test", lstmith_self_test(&driver));
}

#else

void run_all() {
    const lstmith_design& design = lstmith_core_design;
    const lstmith_program& own = design.programs[0];
    const unsigned inputs = own.layers[0].inputs;
    unsigned steps = 0;
    std::cin >> steps;
    std::vector<int16_t> x(steps * inputs), h(steps * own.answers);
    for (int16_t& value : x) std::cin >> value;
    std::vector<lstmith_policy> policies(own.layer_count);
    for (lstmith_policy& policy : policies) {
        int mode = 0;
        std::cin >> mode >> policy.theta_x >> policy.theta_h >> policy.low_theta_x >> policy.low_theta_h;
        policy.mode = static_cast<lstmith_mode>(mode);
    }

    lstmith driver = opened();
    show("run", lstmith_run(&driver, x.data(), steps, h.data()));
    show("h", h);
    std::vector<State> states;
    for (unsigned layer = 0; layer < own.layer_count; ++layer) {
        State state{std::vector<int16_t>(own.layers[layer].units), std::vector<int32_t>(own.layers[layer].units)};
        show("get_state", lstmith_get_state(&driver, layer, state.h.data(), state.c.data()));
        show("state_h", state.h);
        show("state_c", state.c);
        states.push_back(state);
    }

    // A sequence goes on where it was, step by step, and again from its state after another one.
    const auto one_by_one = [&](const char* name) {
        int status = 0;
        for (unsigned t = 0; t < steps; ++t)
            status |= lstmith_run(&driver, &x[t * inputs], 1, &h[t * own.answers]);
        show(name, status);
        show("h", h);
    };
    one_by_one("go_on");
    lstmith_begin(&driver);
    one_by_one("begin");
    for (unsigned layer = 0; layer < own.layer_count; ++layer)
        show("set_state", lstmith_set_state(&driver, layer, states[layer].h.data(), states[layer].c.data()));
    one_by_one("go_on_again");

    show("set_policies", lstmith_set_policies(&driver, policies.data()));
    show("run", lstmith_run(&driver, x.data(), steps, h.data()));
    show("h", h);
    show("self_test", lstmith_self_test(&driver));
    lstmith_counters counters;
    lstmith_count(&driver, &counters);
    show("count", std::vector<uint32_t>{counters.words_4, counters.words_8, counters.words_16, counters.restarts});

    // What is wrong is refused, and the core is as it was.
    policies[0].mode = static_cast<lstmith_mode>(LSTMITH_AUTO + 1);
    show("bad_policy", lstmith_set_policies(&driver, policies.data()));
    show("bad_layer", lstmith_get_state(&driver, own.layer_count, nullptr, nullptr));
    std::vector<uint8_t> damaged(design.image, design.image + design.image_size);
    damaged[damaged.size() / 2] ^= 4;
    show("damaged", lstmith_load_image(&driver, damaged.data(), damaged.size()));
    damaged.resize(damaged.size() - 4);
    show("short", lstmith_load_image(&driver, damaged.data(), damaged.size()));
    show("self_test", lstmith_self_test(&driver));
    show("no_program", lstmith_select(&driver, design.program_count));
}

#endif

}  // namespace

int main() {
    run_all();
    core->final();
    return 0;
}
