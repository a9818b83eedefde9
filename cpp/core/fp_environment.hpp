// The floating-point mode that every bit of a result assumes: round to nearest, no traps. All
// arithmetic on elements runs within one of these; the caller's mode and flags are as before when
// it goes out of scope. And what keeps the caller's through a whole call.
#pragma once
#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#else
#include <cfenv>
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

// The caller's flags and modes, x87 included, as they were: numpy's casts clear them. The C
// library's functions take 0.1 to 0.2 us for both ways, as they load x87's without need.
class CallerEnvironment {
public:
    CallerEnvironment() noexcept : sse_(_mm_getcsr()), x87_(x87()) {}
    ~CallerEnvironment() {
        _mm_setcsr(sse_);
        const X87 now = x87();
        if (now.control == x87_.control && now.status == x87_.status)
            return;
        std::uint32_t words[7]; // control, status, tags, and where the last instruction was
        __asm__ volatile("fnstenv %0" : "=m"(words));
        words[0] = (words[0] & 0xffff0000) | x87_.control;
        words[1] = (words[1] & 0xffff0000) | x87_.status;
        __asm__ volatile("fldenv %0" : : "m"(words));
    }
    CallerEnvironment(const CallerEnvironment &) = delete;
    CallerEnvironment &operator=(const CallerEnvironment &) = delete;

private:
    struct X87 {
        std::uint16_t control, status;
    };
    static X87 x87() noexcept {
        X87 words;
        __asm__ volatile("fnstcw %0\n\tfnstsw %1" : "=m"(words.control), "=m"(words.status));
        return words;
    }

    unsigned sse_;
    X87 x87_;
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

// The caller's flags and modes, as they were: numpy's casts clear them.
class CallerEnvironment {
public:
    CallerEnvironment() noexcept { std::fegetenv(&saved_); }
    ~CallerEnvironment() { std::fesetenv(&saved_); }
    CallerEnvironment(const CallerEnvironment &) = delete;
    CallerEnvironment &operator=(const CallerEnvironment &) = delete;

private:
    std::fenv_t saved_;
};

#endif

} // namespace softlane
