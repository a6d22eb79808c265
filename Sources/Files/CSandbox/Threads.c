// SPDX-License-Identifier: Apache-2.0
#include "CSandbox.h"

#include <errno.h>

#ifndef __linux__

int sandbox_apply_rules(int rules) { return errno = ENOSYS, -1; }

#else

#include <dirent.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    restrict_self = 446,
    // Threads that are found in later passes were started while the earlier ones ran.
    most_passes = 10,
    // A rule set may be laid over a thread 16 times; a thread that inherits one gets it a second time.
    most_threads = 4096,
    pause_microseconds = 100,
    most_pauses = 50000,
};

static atomic_int shared_rules;
static atomic_int answers;
static atomic_int refusal;

/// Gives up the rights of the calling thread; 0 or an error's number.
static int restrict_thread(int rules) {
    // Landlock and seccomp ask for it: what is executed later gets no more rights than this process.
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
    return syscall(restrict_self, rules, 0) == 0 ? 0 : errno;
}

static void on_signal(int number) {
    (void)number;
    int before = errno;
    int reason = restrict_thread(atomic_load(&shared_rules));
    if (reason != 0) atomic_store(&refusal, reason);
    atomic_fetch_add(&answers, 1);
    errno = before;
}

/// Has another thread restrict itself; 0 or an error's number. A thread that has ended needs nothing.
static int restrict_other(pid_t thread) {
    int before = atomic_load(&answers);
    if (syscall(SYS_tgkill, getpid(), thread, SIGSYS) != 0) return errno == ESRCH ? 0 : errno;
    struct timespec pause = {0, pause_microseconds * 1000L};
    for (int count = 0; count < most_pauses; count++) {
        if (atomic_load(&answers) != before) return atomic_load(&refusal);
        if (syscall(SYS_tgkill, getpid(), thread, 0) != 0 && errno == ESRCH) return 0;
        nanosleep(&pause, NULL);
    }
    return ETIMEDOUT;
}

struct threads {
    pid_t numbers[most_threads];
    int count;
};

/// Whether the thread is new; it is noted then.
static bool note(struct threads *known, pid_t thread) {
    for (int index = 0; index < known->count; index++)
        if (known->numbers[index] == thread) return false;
    known->numbers[known->count++] = thread;
    return true;
}

/// Restricts the threads that are not known yet, and counts them; -1 with errno set on failure.
static int restrict_new(struct threads *known) {
    DIR *folder = opendir("/proc/self/task");
    if (folder == NULL) return -1;
    int found = 0, reason = 0;
    struct dirent *entry;
    while (reason == 0 && (entry = readdir(folder)) != NULL) {
        pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
        if (thread <= 0) continue;
        if (known->count == most_threads) {
            reason = EAGAIN;
        } else if (note(known, thread)) {
            found++;
            reason = restrict_other(thread);
        }
    }
    closedir(folder);
    if (reason != 0) return errno = reason, -1;
    return found;
}

/// Restricts all other threads, until a look at them finds no new one; 0 or an error's number.
static int restrict_others(pid_t caller) {
    struct threads *known = calloc(1, sizeof *known);
    if (known == NULL) return ENOMEM;
    note(known, caller);
    int found = 1;
    for (int pass = 0; pass < most_passes && found > 0; pass++) found = restrict_new(known);
    int reason = found < 0 ? errno : found > 0 ? EAGAIN : 0;
    free(known);
    return reason;
}

int sandbox_apply_rules(int rules) {
    atomic_store(&shared_rules, rules);
    atomic_store(&refusal, 0);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, &before) != 0) return -1;
    // The others first: the caller has to list them.
    int reason = restrict_others((pid_t)syscall(SYS_gettid));
    if (reason == 0) reason = restrict_thread(rules);
    sigaction(SIGSYS, &before, NULL);
    if (reason != 0) return errno = reason, -1;
    return 0;
}

#endif
