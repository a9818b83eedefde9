// What CPU and operating system can do: facts as read, and the levels that follow from them. No
// policy.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace softlane {

enum class Arch : std::uint8_t { x86_64, aarch64 };

// As the hardware and the system report it; zero where it does not apply.
struct CpuFacts {
    std::uint32_t max_leaf = 0;  // CPUID 0: eax
    std::uint32_t leaf1_ecx = 0; // CPUID 1
    std::uint32_t leaf1_edx = 0;
    std::uint32_t leaf7_ebx = 0; // CPUID 7, 0
    std::uint32_t leaf7_ecx = 0;
    std::uint64_t xcr0 =
        0; // register state that the operating system saves; read only if OSXSAVE is set
    std::uint64_t hwcap = 0; // AT_HWCAP on aarch64 Linux
};

CpuFacts read_cpu();

// The levels that such a machine can run, best first. A pure function of what was read.
std::vector<std::string_view> levels_for(Arch arch, const CpuFacts &facts);

// Every level that exists for the architecture, best first.
std::vector<std::string_view> levels_of(Arch arch);

#if defined(__x86_64__)
constexpr Arch this_arch = Arch::x86_64;
#elif defined(__aarch64__)
constexpr Arch this_arch = Arch::aarch64;
#else
#error "softlane is written for x86-64 and aarch64"
#endif

} // namespace softlane
