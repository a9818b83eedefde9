#include "core/cores.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#include <unistd.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace softlane {

namespace {

constexpr const char *control_groups = "/sys/fs/cgroup";

// Calls found(directory) for that of a group and of each group above it, the mount's root last. In
// a container the path may be that of the host, of which only the root is there.
template <class Found> void each_group(const std::string &mount, std::string path, Found found) {
    if (path.find("..") != std::string::npos || path.find('/') != 0)
        path.clear();
    while (path.size() > 1) {
        found(mount + path);
        path.erase(path.rfind('/'));
    }
    found(mount);
}

// The least of several limits, each the quotient of two numbers of a text; 0: none.
class Limit {
public:
    void add(const std::string &quota, const std::string &period) {
        const double cores = std::strtod(quota.c_str(), nullptr) /
                             std::max(std::strtod(period.c_str(), nullptr), 1.0);
        if (cores > 0 && (least_ == 0 || cores < least_)) // not for "max" and -1
            least_ = cores;
    }
    int cores() const { return static_cast<int>(std::ceil(std::min(least_, 1e6))); }

private:
    double least_ = 0;
};

bool names_cpu(const std::string &controllers) {
    return ("," + controllers + ",").find(",cpu,") != std::string::npos;
}

} // namespace

std::string read_text(const std::string &path) {
    std::string text;
    if (std::FILE *file = std::fopen(path.c_str(), "re")) {
        char buffer[4096];
        while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, file))
            text.append(buffer, n);
        std::fclose(file);
    }
    return text;
}

std::vector<int> allowed_cpus() {
    std::vector<int> cpus;
#if defined(__linux__)
    // Of the process, not of the calling thread: one that is pinned says nothing of the others.
    cpu_set_t sets[8] = {};
    if (sched_getaffinity(getpid(), sizeof sets, sets) == 0)
        for (int cpu = 0; cpu < 8 * CPU_SETSIZE; ++cpu)
            if (CPU_ISSET_S(cpu, sizeof sets, sets))
                cpus.push_back(cpu);
#endif
    return cpus;
}

int physical_cores(const std::vector<int> &cpus, const ReadText &read) {
    std::set<long> cores; // each by the first of its CPUs
    for (const int cpu : cpus) {
        const std::string siblings = read("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                                          "/topology/thread_siblings_list");
        char *end = nullptr;
        const long first = std::strtol(siblings.c_str(), &end, 10);
        cores.insert(end == siblings.c_str() ? cpu : first);
    }
    return static_cast<int>(cores.size());
}

int quota_cores(const ReadText &read) {
    Limit limit;
    const std::string groups = read("/proc/self/cgroup"); // lines of number:controllers:path
    for (std::size_t begin = 0; begin < groups.size();) {
        const std::size_t end = std::min(groups.find('\n', begin), groups.size());
        const std::string line = groups.substr(begin, end - begin);
        begin = end + 1;
        const std::size_t first = line.find(':'), second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos)
            continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const std::string path = line.substr(second + 1);
        if (controllers.empty())
            each_group(control_groups, path, [&](const std::string &group) {
                const std::string text = read(group + "/cpu.max"); // "quota period"
                const std::size_t space = text.find(' ');
                if (space != std::string::npos)
                    limit.add(text.substr(0, space), text.substr(space));
            });
        else if (names_cpu(controllers))
            for (const std::string &folder : {std::string("cpu"), controllers}) {
                each_group(control_groups + ("/" + folder), path, [&](const std::string &group) {
                    limit.add(read(group + "/cpu.cfs_quota_us"),
                              read(group + "/cpu.cfs_period_us"));
                });
            }
    }
    return limit.cores();
}

int usable_cores() {
    int cores = 0;
#if defined(__APPLE__)
    std::size_t size = sizeof cores;
    if (sysctlbyname("hw.physicalcpu", &cores, &size, nullptr, 0) != 0)
        cores = 0;
#else
    cores = physical_cores(allowed_cpus(), read_text);
#endif
    return std::max(cores > 0 ? cores : static_cast<int>(std::thread::hardware_concurrency()), 1);
}

} // namespace softlane
