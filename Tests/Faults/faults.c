// SPDX-License-Identifier: Apache-2.0
// Makes system calls fail. tools/check-faults loads it into the program by LD_PRELOAD; Linux only.
//
// It counts the calls that concern files below FAULTS_FOLDER, and lets one of them, or all from one on, go wrong:
//
//     FAULTS_FOLDER   an absolute path without symbolic links
//     FAULTS_NAME     a file's name, if only calls about files of this name count
//     FAULTS_STATE    a file of sizeof(struct state) zeros, which gets the counts and the file that was hit
//     FAULTS_CALL     the name of a counter below; "any" counts all calls, "space" those that need room on a disk
//     FAULTS_NUMBER   which of these calls goes wrong, from 1
//     FAULTS_STAYS    set if all later ones do, too
//     FAULTS_MODE     an error number, "short", "kill-before" or "kill-after"

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum counter {
    OPEN, READ, WRITE, FSYNC, RENAME, LINK, UNLINK, TRUNCATE, FALLOCATE, MKDIR, MMAP, CLOSE, FLOCK, STAT, FOLDER,
    CHMOD, SPACE, ANY, COUNTERS
};

static const char *const names[COUNTERS] = {
    "open", "read", "write", "fsync", "rename", "link", "unlink", "truncate", "fallocate", "mkdir", "mmap", "close",
    "flock", "stat", "folder", "chmod", "space", "any",
};

// The script reads this from the file.
struct state {
    struct {
        char name[12];
        _Atomic uint32_t count;
    } counters[COUNTERS];
    _Atomic uint32_t hits;
    // The call and the file of the first hit.
    char call[12];
    char path[PATH_MAX];
};

enum mode { NONE, ERROR, SHORT, KILL_BEFORE, KILL_AFTER };

static struct {
    const char *folder;
    size_t folder_length;
    const char *name;
    struct state *state;
    int counter;
    uint32_t number;
    bool stays;
    enum mode mode;
    int code;
} plan = {.counter = -1};

// What a call shall do.
struct fault {
    enum mode mode;
    int code;
};

static void read_mode(const char *text) {
    if (strcmp(text, "short") == 0) plan.mode = SHORT;
    else if (strcmp(text, "kill-before") == 0) plan.mode = KILL_BEFORE;
    else if (strcmp(text, "kill-after") == 0) plan.mode = KILL_AFTER;
    else {
        plan.mode = ERROR;
        plan.code = atoi(text);
    }
}

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("FAULTS_FOLDER"), *state = getenv("FAULTS_STATE");
    const char *call = getenv("FAULTS_CALL"), *number = getenv("FAULTS_NUMBER"), *mode = getenv("FAULTS_MODE");
    if (folder == NULL || state == NULL) return;
    int file = (int)syscall(SYS_openat, AT_FDCWD, state, O_RDWR | O_CLOEXEC, 0);
    if (file < 0) abort();
    long rights = PROT_READ | PROT_WRITE, shared = MAP_SHARED, start = 0;
    void *memory = (void *)syscall(SYS_mmap, NULL, sizeof(struct state), rights, shared, (long)file, start);
    syscall(SYS_close, file);
    if (memory == MAP_FAILED) abort();
    plan.state = memory;
    for (int counter = 0; counter < COUNTERS; counter++) {
        strcpy(plan.state->counters[counter].name, names[counter]);
        if (call != NULL && strcmp(call, names[counter]) == 0) plan.counter = counter;
    }
    if (number != NULL) plan.number = (uint32_t)atoi(number);
    if (mode != NULL) read_mode(mode);
    plan.stays = getenv("FAULTS_STAYS") != NULL;
    plan.name = getenv("FAULTS_NAME");
    plan.folder_length = strlen(folder);
    plan.folder = folder;
}

static bool is_watched(const char *path) {
    const char *name = strrchr(path, '/');
    if (plan.name != NULL && (name == NULL || strcmp(name + 1, plan.name) != 0)) return false;
    return strncmp(path, plan.folder, plan.folder_length) == 0 &&
           (path[plan.folder_length] == '/' || path[plan.folder_length] == 0);
}

// The path of an open file.
static bool find_descriptor(int descriptor, char path[PATH_MAX]) {
    char link[32] = "/proc/self/fd/", digits[12];
    int count = 0;
    if (descriptor < 0) return false;
    do digits[count++] = (char)('0' + descriptor % 10);
    while ((descriptor /= 10) > 0);
    for (size_t place = strlen(link); count > 0; place++) link[place] = digits[--count];
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0) return false;
    path[length] = 0;
    return true;
}

// An absolute path of `name`, relative to a folder.
static bool find_name(int folder, const char *name, char path[PATH_MAX]) {
    size_t start = 0;
    if (name == NULL) return false;
    if (name[0] != '/') {
        bool found = folder == AT_FDCWD ? syscall(SYS_getcwd, path, PATH_MAX) > 0 : find_descriptor(folder, path);
        if (!found) return false;
        start = strlen(path);
        path[start++] = '/';
    }
    size_t length = strlen(name);
    if (start + length >= PATH_MAX) return false;
    memcpy(path + start, name, length + 1);
    return true;
}

static bool goes_wrong(int counter) {
    uint32_t number = atomic_fetch_add(&plan.state->counters[counter].count, 1) + 1;
    return plan.counter == counter && (plan.stays ? number >= plan.number : number == plan.number);
}

static bool can_be_short(int counter) { return counter == READ || counter == WRITE; }

// Counts a call about a path and says what it shall do.
static struct fault reach(int counter, bool needs_space, const char path[PATH_MAX]) {
    struct fault none = {NONE, 0};
    if (!is_watched(path)) return none;
    bool hit = goes_wrong(counter);
    if (needs_space && goes_wrong(SPACE)) hit = true;
    if (goes_wrong(ANY)) hit = true;
    if (!hit || (plan.mode == SHORT && !can_be_short(counter))) return none;
    bool is_first = atomic_fetch_add(&plan.state->hits, 1) == 0;
    if (is_first) {
        strcpy(plan.state->call, names[counter]);
        strcpy(plan.state->path, path);
    }
    if (plan.mode == KILL_BEFORE) syscall(SYS_kill, getpid(), SIGKILL);
    // A disk takes as much as it has room for before it is full.
    if (is_first && plan.stays && plan.code == ENOSPC && counter == WRITE) return (struct fault){SHORT, 0};
    return (struct fault){plan.mode, plan.code};
}

static struct fault reach_name(int counter, bool needs_space, int folder, const char *name) {
    struct fault fault = {NONE, 0};
    int code = errno;
    char path[PATH_MAX];
    if (plan.folder != NULL && find_name(folder, name, path)) fault = reach(counter, needs_space, path);
    errno = code;
    return fault;
}

static struct fault reach_descriptor(int counter, bool needs_space, int descriptor) {
    struct fault fault = {NONE, 0};
    int code = errno;
    char path[PATH_MAX];
    if (plan.folder != NULL && find_descriptor(descriptor, path)) fault = reach(counter, needs_space, path);
    errno = code;
    return fault;
}

// The C library's function of this name.
#define NEXT(function)                                                                          \
    ({                                                                                          \
        static __typeof__(&function) next;                                                      \
        if (next == NULL) next = (__typeof__(next))dlsym(RTLD_NEXT, #function);                 \
        next;                                                                                   \
    })

// Fails or makes the call.
#define RUN(type, planned, failed, call)                                                        \
    do {                                                                                        \
        struct fault what = (planned);                                                          \
        if (what.mode == ERROR) {                                                               \
            errno = what.code;                                                                  \
            return failed;                                                                      \
        }                                                                                       \
        type result = (call);                                                                   \
        if (what.mode == KILL_AFTER) syscall(SYS_kill, getpid(), SIGKILL);                      \
        return result;                                                                          \
    } while (0)

static mode_t mode_argument(int flags, va_list arguments) {
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t) : 0;
}

#define OPENS(function)                                                                         \
    int function(const char *path, int flags, ...) {                                            \
        va_list arguments;                                                                      \
        va_start(arguments, flags);                                                             \
        mode_t mode = mode_argument(flags, arguments);                                          \
        va_end(arguments);                                                                      \
        RUN(int, reach_name(OPEN, (flags & O_CREAT) != 0, AT_FDCWD, path), -1,                  \
            NEXT(function)(path, flags, mode));                                                 \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(function)                                                                      \
    int function(int folder, const char *path, int flags, ...) {                                \
        va_list arguments;                                                                      \
        va_start(arguments, flags);                                                             \
        mode_t mode = mode_argument(flags, arguments);                                          \
        va_end(arguments);                                                                      \
        RUN(int, reach_name(OPEN, (flags & O_CREAT) != 0, folder, path), -1,                    \
            NEXT(function)(folder, path, flags, mode));                                         \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

// libarchive's fortified calls.
int __open_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);

int __open_2(const char *path, int flags) {
    RUN(int, reach_name(OPEN, false, AT_FDCWD, path), -1, NEXT(__open_2)(path, flags));
}

int __openat_2(int folder, const char *path, int flags) {
    RUN(int, reach_name(OPEN, false, folder, path), -1, NEXT(__openat_2)(folder, path, flags));
}

#define CREATES(function)                                                                       \
    int function(const char *path, mode_t mode) {                                               \
        RUN(int, reach_name(OPEN, true, AT_FDCWD, path), -1, NEXT(function)(path, mode));       \
    }
CREATES(creat)
CREATES(creat64)

// Half of the bytes, at least one, where the call shall be short.
static size_t shortened(struct fault fault, size_t count) {
    return fault.mode == SHORT && count > 1 ? count / 2 : count;
}

ssize_t read(int file, void *bytes, size_t count) {
    struct fault fault = reach_descriptor(READ, false, file);
    RUN(ssize_t, fault, -1, NEXT(read)(file, bytes, shortened(fault, count)));
}

ssize_t write(int file, const void *bytes, size_t count) {
    struct fault fault = reach_descriptor(WRITE, true, file);
    RUN(ssize_t, fault, -1, NEXT(write)(file, bytes, shortened(fault, count)));
}

#define READS_AT(function, offset_type)                                                         \
    ssize_t function(int file, void *bytes, size_t count, offset_type offset) {                 \
        struct fault fault = reach_descriptor(READ, false, file);                               \
        RUN(ssize_t, fault, -1, NEXT(function)(file, bytes, shortened(fault, count), offset));  \
    }
READS_AT(pread, off_t)
READS_AT(pread64, off64_t)

#define WRITES_AT(function, offset_type)                                                        \
    ssize_t function(int file, const void *bytes, size_t count, offset_type offset) {           \
        struct fault fault = reach_descriptor(WRITE, true, file);                               \
        RUN(ssize_t, fault, -1, NEXT(function)(file, bytes, shortened(fault, count), offset));  \
    }
WRITES_AT(pwrite, off_t)
WRITES_AT(pwrite64, off64_t)

// A short call handles the first buffer alone.
ssize_t readv(int file, const struct iovec *buffers, int count) {
    struct fault fault = reach_descriptor(READ, false, file);
    RUN(ssize_t, fault, -1, NEXT(readv)(file, buffers, fault.mode == SHORT ? 1 : count));
}

ssize_t writev(int file, const struct iovec *buffers, int count) {
    struct fault fault = reach_descriptor(WRITE, true, file);
    RUN(ssize_t, fault, -1, NEXT(writev)(file, buffers, fault.mode == SHORT ? 1 : count));
}

int fsync(int file) { RUN(int, reach_descriptor(FSYNC, false, file), -1, NEXT(fsync)(file)); }
int fdatasync(int file) { RUN(int, reach_descriptor(FSYNC, false, file), -1, NEXT(fdatasync)(file)); }

int rename(const char *old, const char *new) {
    RUN(int, reach_name(RENAME, false, AT_FDCWD, new), -1, NEXT(rename)(old, new));
}

int renameat(int old_folder, const char *old, int folder, const char *new) {
    RUN(int, reach_name(RENAME, false, folder, new), -1, NEXT(renameat)(old_folder, old, folder, new));
}

int renameat2(int old_folder, const char *old, int folder, const char *new, unsigned flags) {
    RUN(int, reach_name(RENAME, false, folder, new), -1, NEXT(renameat2)(old_folder, old, folder, new, flags));
}

int link(const char *old, const char *new) {
    RUN(int, reach_name(LINK, true, AT_FDCWD, new), -1, NEXT(link)(old, new));
}

int linkat(int old_folder, const char *old, int folder, const char *new, int flags) {
    RUN(int, reach_name(LINK, true, folder, new), -1, NEXT(linkat)(old_folder, old, folder, new, flags));
}

int symlink(const char *text, const char *path) {
    RUN(int, reach_name(LINK, true, AT_FDCWD, path), -1, NEXT(symlink)(text, path));
}

int symlinkat(const char *text, int folder, const char *path) {
    RUN(int, reach_name(LINK, true, folder, path), -1, NEXT(symlinkat)(text, folder, path));
}

int unlink(const char *path) { RUN(int, reach_name(UNLINK, false, AT_FDCWD, path), -1, NEXT(unlink)(path)); }

int unlinkat(int folder, const char *path, int flags) {
    RUN(int, reach_name(UNLINK, false, folder, path), -1, NEXT(unlinkat)(folder, path, flags));
}

#define TRUNCATES(function, offset_type)                                                        \
    int function(int file, offset_type length) {                                                \
        RUN(int, reach_descriptor(TRUNCATE, false, file), -1, NEXT(function)(file, length));    \
    }
TRUNCATES(ftruncate, off_t)
TRUNCATES(ftruncate64, off64_t)

int fallocate(int file, int mode, off_t start, off_t length) {
    RUN(int, reach_descriptor(FALLOCATE, true, file), -1, NEXT(fallocate)(file, mode, start, length));
}

// This one returns its error.
int posix_fallocate(int file, off_t start, off_t length) {
    RUN(int, reach_descriptor(FALLOCATE, true, file), plan.code, NEXT(posix_fallocate)(file, start, length));
}

int mkdir(const char *path, mode_t mode) {
    RUN(int, reach_name(MKDIR, true, AT_FDCWD, path), -1, NEXT(mkdir)(path, mode));
}

int mkdirat(int folder, const char *path, mode_t mode) {
    RUN(int, reach_name(MKDIR, true, folder, path), -1, NEXT(mkdirat)(folder, path, mode));
}

#define MAPS(function, offset_type)                                                             \
    void *function(void *start, size_t length, int rights, int flags, int file, offset_type offset) { \
        RUN(void *, reach_descriptor(MMAP, false, file), MAP_FAILED,                            \
            NEXT(function)(start, length, rights, flags, file, offset));                        \
    }
MAPS(mmap, off_t)
MAPS(mmap64, off64_t)

// The descriptor is closed whatever the result, as in Linux.
int close(int file) {
    struct fault fault = reach_descriptor(CLOSE, false, file);
    if (fault.mode == ERROR) NEXT(close)(file);
    RUN(int, fault, -1, NEXT(close)(file));
}

int flock(int file, int operation) {
    RUN(int, reach_descriptor(FLOCK, false, file), -1, NEXT(flock)(file, operation));
}

#define EXAMINES(function, status_type)                                                         \
    int function(const char *path, struct status_type *status) {                                \
        RUN(int, reach_name(STAT, false, AT_FDCWD, path), -1, NEXT(function)(path, status));    \
    }
EXAMINES(stat, stat)
EXAMINES(stat64, stat64)
EXAMINES(lstat, stat)
EXAMINES(lstat64, stat64)

#define EXAMINES_OPEN(function, status_type)                                                    \
    int function(int file, struct status_type *status) {                                        \
        RUN(int, reach_descriptor(STAT, false, file), -1, NEXT(function)(file, status));        \
    }
EXAMINES_OPEN(fstat, stat)
EXAMINES_OPEN(fstat64, stat64)

int fstatat(int folder, const char *path, struct stat *status, int flags) {
    RUN(int, reach_name(STAT, false, folder, path), -1, NEXT(fstatat)(folder, path, status, flags));
}

int statx(int folder, const char *path, int flags, unsigned mask, struct statx *status) {
    RUN(int, reach_name(STAT, false, folder, path), -1, NEXT(statx)(folder, path, flags, mask, status));
}

int access(const char *path, int rights) {
    RUN(int, reach_name(STAT, false, AT_FDCWD, path), -1, NEXT(access)(path, rights));
}

ssize_t readlink(const char *path, char *text, size_t size) {
    RUN(ssize_t, reach_name(STAT, false, AT_FDCWD, path), -1, NEXT(readlink)(path, text, size));
}

char *realpath(const char *path, char *resolved) {
    RUN(char *, reach_name(STAT, false, AT_FDCWD, path), NULL, NEXT(realpath)(path, resolved));
}

DIR *opendir(const char *path) {
    RUN(DIR *, reach_name(FOLDER, false, AT_FDCWD, path), NULL, NEXT(opendir)(path));
}

struct dirent *readdir(DIR *folder) {
    RUN(struct dirent *, reach_descriptor(FOLDER, false, dirfd(folder)), NULL, NEXT(readdir)(folder));
}

int fchmod(int file, mode_t mode) { RUN(int, reach_descriptor(CHMOD, false, file), -1, NEXT(fchmod)(file, mode)); }

int fchown(int file, uid_t owner, gid_t group) {
    RUN(int, reach_descriptor(CHMOD, false, file), -1, NEXT(fchown)(file, owner, group));
}
