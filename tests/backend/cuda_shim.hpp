// What a kernel uses of CUDA, on a CPU: a block's threads are threads here, and the lanes of a warp wait for each other.
#include <barrier>
#include <cmath>
#include <thread>
#include <vector>

#define __global__

using std::exp;
using std::sqrt;

struct Dimension {
    unsigned x;
};

struct Warp {
    std::barrier<> barrier{32};
    double values[32];  // holds a float as it is
};

static thread_local Dimension threadIdx, blockIdx, blockDim;
static thread_local Warp* warp;

template <class T>
T __shfl_xor_sync(unsigned, T value, int distance) {
    const unsigned lane = threadIdx.x % 32;
    warp->values[lane] = value;
    warp->barrier.arrive_and_wait();
    const T theirs = (T)warp->values[lane ^ (unsigned)distance];
    warp->barrier.arrive_and_wait();
    return theirs;
}

static bool __any_sync(unsigned, bool value) {
    warp->values[threadIdx.x % 32] = value;
    warp->barrier.arrive_and_wait();
    bool any = false;
    for (const double one : warp->values) any |= one != 0;
    warp->barrier.arrive_and_wait();
    return any;
}

// Blocks first to last (which is not run) of a launch, one after another.
template <class Kernel>
void launch(long long first, long long last, unsigned threads, Kernel kernel) {
    for (long long block = first; block < last; ++block) {
        std::vector<Warp> warps(threads / 32);
        std::vector<std::thread> running;
        for (unsigned thread = 0; thread < threads; ++thread)
            running.emplace_back([&, thread] {
                threadIdx = {thread};
                blockIdx = {(unsigned)block};
                blockDim = {threads};
                warp = &warps[thread / 32];
                kernel();
                warp->barrier.arrive_and_drop();  // lanes that go on wait for no lane that has returned
            });
        for (std::thread& one : running) one.join();
    }
}
