#include "core/cpu.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__linux__)
#include <sys/auxv.h>
#endif

namespace softlane {

namespace {

struct Level {
    Arch arch;
    std::string_view isa;
    std::uint32_t leaf1_ecx;
    std::uint32_t leaf1_edx;
    std::uint32_t leaf7_ebx;
    std::uint64_t xcr0;
    std::uint64_t hwcap;
};

constexpr std::uint32_t bit(int i) { return 1u << i; }

// CPUID 1 ecx: 12 FMA, 26 XSAVE, 27 OSXSAVE, 28 AVX, 29 F16C; edx: 25 SSE, 26 SSE2.
// CPUID 7 ebx: 5 AVX2, 16 AVX-512 F, 17 DQ, 30 BW, 31 VL. XCR0: 1 xmm, 2 ymm, 5 mask, 6 and 7 zmm
// registers.
constexpr std::uint32_t avx_ecx = bit(12) | bit(27) | bit(28) | bit(29);
constexpr std::uint32_t sse2_edx = bit(25) | bit(26);
constexpr std::uint32_t avx512_ebx = bit(16) | bit(17) | bit(30) | bit(31);

// Best first. HWCAP 1 is Advanced SIMD.
constexpr Level levels[] = {
    {Arch::x86_64, "avx512", avx_ecx, sse2_edx, bit(5) | avx512_ebx, 0xe6, 0},
    {Arch::x86_64, "avx2", avx_ecx, sse2_edx, bit(5), 0x06, 0},
    {Arch::x86_64, "sse2", 0, sse2_edx, 0, 0, 0},
    {Arch::x86_64, "scalar", 0, 0, 0, 0, 0},
    {Arch::aarch64, "neon", 0, 0, 0, 0, 2},
    {Arch::aarch64, "scalar", 0, 0, 0, 0, 0},
};

template <class Word> bool has(Word word, Word wanted) { return (word & wanted) == wanted; }

} // namespace

std::vector<std::string_view> levels_of(Arch arch) {
    std::vector<std::string_view> names;
    for (const Level &level : levels)
        if (level.arch == arch)
            names.push_back(level.isa);
    return names;
}

std::vector<std::string_view> levels_for(Arch arch, const CpuFacts &facts) {
    std::vector<std::string_view> names;
    // Leaves above max_leaf repeat others' bits or hold garbage; XCR0 may not be read without
    // OSXSAVE.
    const std::uint32_t leaf7_ebx = facts.max_leaf >= 7 ? facts.leaf7_ebx : 0;
    const std::uint64_t xcr0 = has(facts.leaf1_ecx, bit(27)) ? facts.xcr0 : 0;
    for (const Level &level : levels)
        if (level.arch == arch && has(facts.leaf1_ecx, level.leaf1_ecx) &&
            has(facts.leaf1_edx, level.leaf1_edx) && has(leaf7_ebx, level.leaf7_ebx) &&
            has(xcr0, level.xcr0) && has(facts.hwcap, level.hwcap))
            names.push_back(level.isa);
    return names;
}

#if defined(__x86_64__)

CpuFacts read_cpu() {
    CpuFacts facts;
    unsigned a, b, c, d;
    facts.max_leaf = __get_cpuid_max(0, nullptr);
    __cpuid(1, a, b, c, d);
    facts.leaf1_ecx = c;
    facts.leaf1_edx = d;
    if (facts.max_leaf >= 7) {
        __cpuid_count(7, 0, a, b, c, d);
        facts.leaf7_ebx = b;
        facts.leaf7_ecx = c;
    }
    if (has(facts.leaf1_ecx, bit(27))) {
        unsigned low, high;
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        facts.xcr0 = low | static_cast<std::uint64_t>(high) << 32;
    }
    return facts;
}

#else

CpuFacts read_cpu() {
    CpuFacts facts;
#if defined(__linux__)
    facts.hwcap = getauxval(AT_HWCAP);
#else
    facts.hwcap = 2; // Advanced SIMD is part of every 64-bit Apple processor
#endif
    return facts;
}

#endif

} // namespace softlane
