// SPDX-License-Identifier: Apache-2.0
//
// A list of what is refused, and not one of what is allowed. The C library, Dispatch, Swift's runtime and SwiftNIO choose
// system calls by their versions and by the kernel's, so a list of allowed calls that was made on one system would end the
// program on the next one, in the middle of an answer. What a refusing list overlooks are calls that are newer than it is:
// those do not exist for the process (ENOSYS), which all libraries expect of older kernels.
//
// Refused calls fail with EPERM. A call for another architecture ends the process: its numbers mean other calls.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // CLONE_THREAD, F_SETOWN_EX
#endif
#include "CSandbox.h"

#include <errno.h>

#if !defined(__linux__) || !(defined(__x86_64__) || defined(__aarch64__))

int sandbox_check_filter(void) { return errno = ENOSYS, -1; }
int sandbox_filter_calls(bool accepts) { return errno = ENOSYS, -1; }

#else

#include "RefusedCalls.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    clone3_number = 435,
    openat2_number = 437,
    // The newest call that the list was made with (Linux 6.18, file_setattr).
    newest_number = 469,
    most_steps = 1024,
#ifdef __x86_64__
    architecture = (int)AUDIT_ARCH_X86_64,
#else
    architecture = (int)AUDIT_ARCH_AARCH64,
#endif
    refuse = (int)(SECCOMP_RET_ERRNO | EPERM),
    deny_existence = (int)(SECCOMP_RET_ERRNO | ENOSYS),
    allow = (int)SECCOMP_RET_ALLOW,
};

struct program {
    struct sock_filter steps[most_steps];
    unsigned short count;
};

/// Adds a step. Jumps count the steps that they skip.
static void add(struct program *program, unsigned short code, unsigned value, int if_true, int if_false) {
    if (program->count < most_steps)
        program->steps[program->count++] =
            (struct sock_filter){code, (unsigned char)if_true, (unsigned char)if_false, value};
}

static void load(struct program *program, size_t offset) {
    add(program, BPF_LD | BPF_W | BPF_ABS, (unsigned)offset, 0, 0);
}

static void end(struct program *program, unsigned action) {
    add(program, BPF_RET | BPF_K, action, 0, 0);
}

/// Goes on if the loaded number is `value`, and skips `steps` steps otherwise.
static void if_equal(struct program *program, unsigned value, int steps) {
    add(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, steps);
}

/// Where the lower and the upper half of an argument are: both architectures are little-endian.
static size_t lower_half(int argument) {
    return offsetof(struct seccomp_data, args) + (size_t)argument * sizeof(uint64_t);
}

static size_t upper_half(int argument) { return lower_half(argument) + sizeof(uint32_t); }

static void refuse_call(struct program *program, unsigned number, unsigned action) {
    if_equal(program, number, 1);
    end(program, action);
}

/// What becomes of a call depends on whether an argument is one of two numbers.
static void choose(
    struct program *program, unsigned number, int argument, unsigned one, unsigned other, unsigned if_either,
    unsigned if_neither) {
    if_equal(program, number, 5);
    load(program, lower_half(argument));
    add(program, BPF_JMP | BPF_JEQ | BPF_K, one, 1, 0);
    if_equal(program, other, 1);
    end(program, if_either);
    end(program, if_neither);
}

static void allow_only(struct program *program, unsigned number, int argument, unsigned one, unsigned other) {
    choose(program, number, argument, one, other, allow, refuse);
}

static void refuse_only(struct program *program, unsigned number, int argument, unsigned one, unsigned other) {
    choose(program, number, argument, one, other, refuse, allow);
}

/// A call is allowed if an argument is no address.
static void allow_without(struct program *program, unsigned number, int argument) {
    if_equal(program, number, 6);
    load(program, lower_half(argument));
    if_equal(program, 0, 3);
    load(program, upper_half(argument));
    if_equal(program, 0, 1);
    end(program, allow);
    end(program, refuse);
}

/// New threads are allowed, new processes are not. The flags of `clone3` are in memory, where no filter can look; without it,
/// the C library uses `clone`.
static void add_new_threads(struct program *program) {
    refuse_call(program, clone3_number, deny_existence);
    if_equal(program, SYS_clone, 4);
    load(program, lower_half(0));
    add(program, BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1);
    end(program, allow);
    end(program, refuse);
}

/// Opening a file for reading must not empty it: before version 3, Landlock takes that for reading.
static void add_opening(struct program *program, unsigned number, int flags) {
    if_equal(program, number, 7);
    load(program, lower_half(flags));
    add(program, BPF_JMP | BPF_JSET | BPF_K, O_TRUNC, 0, 4);
    add(program, BPF_ALU | BPF_AND | BPF_K, O_ACCMODE, 0, 0);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, O_WRONLY, 2, 0);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, O_RDWR, 1, 0);
    end(program, refuse);
    end(program, allow);
}

/// Calls that are refused for some arguments.
static void add_calls_with_conditions(struct program *program) {
    unsigned self = (unsigned)getpid();
    add_new_threads(program);
    refuse_call(program, openat2_number, deny_existence);
    add_opening(program, SYS_openat, 2);
#ifdef __x86_64__
    add_opening(program, SYS_open, 1);
#endif
    // Signals and limits of this process alone.
    allow_only(program, SYS_kill, 0, self, self);
    allow_only(program, SYS_tgkill, 0, self, self);
    allow_only(program, SYS_rt_tgsigqueueinfo, 0, self, self);
    allow_only(program, SYS_prlimit64, 0, 0, self);
    // What is typed into a terminal runs in the shell when this process has ended.
    refuse_only(program, SYS_ioctl, 1, TIOCSTI, TIOCLINUX);
    // The kernel would send signals for this process.
    refuse_only(program, SYS_fcntl, 1, F_SETOWN, F_SETOWN_EX);
    // Times of open files, as of outputs.
    allow_without(program, SYS_utimensat, 1);
}

static void add_refused_calls(struct program *program) {
#define REFUSE_NUMBER(number) refuse_call(program, number, refuse);
#define REFUSE(call) REFUSE_NUMBER(SYS_##call)
    CALLS_TO_RUN(REFUSE)
    NUMBERS_TO_RUN(REFUSE_NUMBER)
    CALLS_ON_PROCESSES(REFUSE)
    NUMBERS_ON_PROCESSES(REFUSE_NUMBER)
    CALLS_BETWEEN_PROCESSES(REFUSE)
    CALLS_ON_THE_KERNEL(REFUSE)
    NUMBERS_ON_THE_KERNEL(REFUSE_NUMBER)
    CALLS_ON_PATHS(REFUSE)
    NUMBERS_ON_PATHS(REFUSE_NUMBER)
    CALLS_OF_OLD_TIMES(REFUSE)
}

/// New connections are refused to all; a server may accept some, and use them.
static void add_connections(struct program *program, bool accepts) {
    CALLS_FOR_NEW_CONNECTIONS(REFUSE)
    if (accepts) {
        // To an address, it would need no connection.
        allow_without(program, SYS_sendto, 4);
    } else {
        CALLS_ON_CONNECTIONS(REFUSE)
    }
}

int sandbox_check_filter(void) {
    unsigned action = SECCOMP_RET_ERRNO;
    return (int)syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
}

int sandbox_filter_calls(bool accepts) {
    struct program program = {.count = 0};
    load(&program, offsetof(struct seccomp_data, arch));
    add(&program, BPF_JMP | BPF_JEQ | BPF_K, (unsigned)architecture, 1, 0);
    end(&program, SECCOMP_RET_KILL_PROCESS);
    load(&program, offsetof(struct seccomp_data, nr));
    // Among the calls that do not exist are all of x32, whose numbers have bit 30.
    add(&program, BPF_JMP | BPF_JGT | BPF_K, newest_number, 0, 1);
    end(&program, (unsigned)deny_existence);
    add_refused_calls(&program);
    add_connections(&program, accepts);
    add_calls_with_conditions(&program);
    end(&program, (unsigned)allow);
    if (program.count == most_steps) return errno = E2BIG, -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    struct sock_fprog whole = {program.count, program.steps};
    long result = syscall(
        SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &whole);
    // The number of a thread that has another filter.
    if (result > 0) errno = EBUSY;
    return result == 0 ? 0 : -1;
}

#endif
