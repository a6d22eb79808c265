// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // O_PATH
#endif
#include "CSandbox.h"

#include <errno.h>

#ifndef __linux__

int sandbox_landlock_version(void) { return errno = ENOSYS, -1; }
int sandbox_open_rules(int version) { return errno = ENOSYS, -1; }
int sandbox_allow(int rules, const char *path, unsigned rights) { return errno = ENOSYS, -1; }

#else

#include <fcntl.h>
#include <linux/magic.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

// The kernel's numbers (linux/landlock.h). Headers of distributions are older than the kernels that run there, so they are
// repeated here.
enum { create_ruleset = 444, add_rule = 445, query_version = 1, path_beneath = 1 };

#define WRITE_FILE (1ULL << 1)
#define READ_FILE (1ULL << 2)
#define READ_FOLDER (1ULL << 3)
#define REMOVE_FILE (1ULL << 5)
#define MAKE_FOLDER (1ULL << 7)
#define MAKE_FILE (1ULL << 8)
// Bits 0 to 12: also executing, removing folders, and making devices, sockets, pipes and links.
#define FILES_OF_VERSION_1 ((1ULL << 13) - 1)
#define MOVE_ELSEWHERE (1ULL << 13) // version 2
#define TRUNCATE_FILE (1ULL << 14)  // version 3
#define CONTROL_DEVICE (1ULL << 15) // version 5
#define BIND_AND_CONNECT 3ULL       // version 4, of TCP
#define RIGHTS_OF_FILES (WRITE_FILE | READ_FILE | TRUNCATE_FILE)

struct ruleset {
    uint64_t files;
    uint64_t network; // version 4
};

struct __attribute__((packed)) path_rule {
    uint64_t allowed;
    int32_t descriptor;
};

int sandbox_landlock_version(void) {
    return (int)syscall(create_ruleset, NULL, 0, query_version);
}

static uint64_t files_of_version(int version) {
    return FILES_OF_VERSION_1 | (version >= 2 ? MOVE_ELSEWHERE : 0) | (version >= 3 ? TRUNCATE_FILE : 0)
        | (version >= 5 ? CONTROL_DEVICE : 0);
}

int sandbox_open_rules(int version) {
    struct ruleset handled = {files_of_version(version), BIND_AND_CONNECT};
    size_t size = version >= 4 ? sizeof handled : offsetof(struct ruleset, network);
    return (int)syscall(create_ruleset, &handled, size, 0);
}

static int allow(int rules, int descriptor, unsigned rights) {
    struct stat status;
    if (fstat(descriptor, &status) != 0) return -1;
    if (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode)) return 0;
    uint64_t allowed = 0;
    if (rights & SANDBOX_READ) allowed |= READ_FILE | READ_FOLDER;
    if (rights & SANDBOX_WRITE) allowed |= WRITE_FILE | TRUNCATE_FILE;
    if (rights & SANDBOX_CHANGE_FOLDER) allowed |= MAKE_FILE | MAKE_FOLDER | REMOVE_FILE;
    if (!S_ISDIR(status.st_mode)) allowed &= RIGHTS_OF_FILES;
    allowed &= files_of_version(sandbox_landlock_version());
    struct path_rule rule = {allowed, descriptor};
    return (int)syscall(add_rule, rules, path_beneath, &rule, 0);
}

int sandbox_allow(int rules, const char *path, unsigned rights) {
    int descriptor = open(path, O_PATH | O_CLOEXEC);
    if (descriptor < 0) return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -1 : 0;
    int result = allow(rules, descriptor, rights);
    int reason = errno;
    // A rule is for an inode. The kernel makes a new one for a name in /proc that it has forgotten, unless the old is open.
    struct statfs system;
    bool is_kept = result == 0 && fstatfs(descriptor, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
    if (!is_kept) close(descriptor);
    errno = reason;
    return result;
}

#endif
