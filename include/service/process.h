/* process.h - what this process takes from the system just now. */
#ifndef SERVICE_PROCESS_H
#define SERVICE_PROCESS_H

/* As the standard process_* metrics want it; what cannot be read is 0. */
struct process_usage {
    double cpu_seconds;   /* user and system */
    double start_seconds; /* Unix time of the start, to a hundredth */
    double virtual_bytes, resident_bytes;
    double threads;
    double open_fds, max_fds; /* descriptors; the second is the soft limit */
};

void process_usage_read(struct process_usage *out);

#endif
