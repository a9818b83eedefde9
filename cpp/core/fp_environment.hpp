// The floating-point mode that every bit of a result assumes: round to nearest, subnormals kept, no
// traps. Kernels run within one of these; the caller's mode and flags are as before when it goes
// out of scope.
#pragma once
#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace softlane {

#if defined(__x86_64__)

class FpEnvironment {
public:
    FpEnvironment() noexcept : saved_(_mm_getcsr()) { _mm_setcsr(0x1f80); } // all exceptions masked
    ~FpEnvironment() { _mm_setcsr(saved_); }
    FpEnvironment(const FpEnvironment &) = delete;
    FpEnvironment &operator=(const FpEnvironment &) = delete;

private:
    unsigned saved_;
};

#else

class FpEnvironment {
public:
    FpEnvironment() noexcept {
        __asm__ volatile("mrs %0, fpcr" : "=r"(control_));
        __asm__ volatile("mrs %0, fpsr" : "=r"(status_));
        __asm__ volatile("msr fpcr, %0" : : "r"(std::uint64_t{0}));
    }
    ~FpEnvironment() {
        __asm__ volatile("msr fpcr, %0" : : "r"(control_));
        __asm__ volatile("msr fpsr, %0" : : "r"(status_));
    }
    FpEnvironment(const FpEnvironment &) = delete;
    FpEnvironment &operator=(const FpEnvironment &) = delete;

private:
    std::uint64_t control_, status_;
};

#endif

} // namespace softlane
