// How many cores this process may use: facts as read from the system, and the count that follows
// from them. No policy.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace softlane {

// The text of a file of the system; empty if it cannot be read.
using ReadText = std::function<std::string(const std::string &path)>;
std::string read_text(const std::string &path);

// The CPUs that the process's first thread may run on; empty where the system does not say.
std::vector<int> allowed_cpus();

// Cores among these CPUs: hyperthreads of one core count once. A CPU without a topology is a core.
int physical_cores(const std::vector<int> &cpus, const ReadText &read);

// What the quotas of the process's control group (version 1 or 2) and of those above it allow,
// rounded up to whole cores; 0: no limit.
int quota_cores(const ReadText &read);

// Cores that there are and that the process may use, whatever its quota; at least 1.
int usable_cores();

} // namespace softlane
