// The floating-point mode that every bit of a result assumes: round to nearest, no traps. All
// arithmetic on elements runs within one of these; the caller's mode and flags are as before when
// it goes out of scope.
#pragma once
#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace softlane {

enum class Subnormals : std::uint8_t {
    keep,
    flush, // as operands and results: the kernels' own mode, in which none slows them down
};

#if defined(__x86_64__)

class FpEnvironment {
public:
    // All exceptions masked; DAZ and FTZ for `flush`.
    explicit FpEnvironment(Subnormals subnormals = Subnormals::keep) noexcept
        : saved_(_mm_getcsr()) {
        _mm_setcsr(subnormals == Subnormals::keep ? 0x1f80 : 0x9fc0);
    }
    ~FpEnvironment() { _mm_setcsr(saved_); }
    FpEnvironment(const FpEnvironment &) = delete;
    FpEnvironment &operator=(const FpEnvironment &) = delete;

private:
    unsigned saved_;
};

#else

class FpEnvironment {
public:
    // Subnormal numbers cost nothing here, so they are always kept; no result of a level with FMA
    // depends on it.
    explicit FpEnvironment(Subnormals = Subnormals::keep) noexcept {
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
