// SPDX-License-Identifier: Apache-2.0
// Tells ThreadSanitizer in which order threads hold a `Mutex` of Swift's module Synchronization.
//
// Where nobody waits, a Mutex is an atomic word, which the sanitizer sees. Where a thread waits, the word is the kernel's: the
// two functions here, which are in a library that was not built with the sanitizer, pass it to the kernel. Without
// this file, the sanitizer reports everything that such a Mutex guards. It is preloaded by tools/check-sanitized.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"
#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

void __tsan_acquire(void *address);
void __tsan_release(void *address);

SWIFT void lock_slowly(uint32_t thread, SELF void *mutex) __asm__(LOCK);
SWIFT void unlock_slowly(SELF void *mutex) __asm__(UNLOCK);

static SWIFT void (*lock)(uint32_t thread, SELF void *mutex);
static SWIFT void (*unlock)(SELF void *mutex);

__attribute__((constructor)) static void find_functions(void) {
    lock = (SWIFT void (*)(uint32_t, SELF void *))dlsym(RTLD_NEXT, LOCK);
    unlock = (SWIFT void (*)(SELF void *))dlsym(RTLD_NEXT, UNLOCK);
}

SWIFT void lock_slowly(uint32_t thread, SELF void *mutex) {
    if (!lock) abort();
    lock(thread, mutex);
    __tsan_acquire(mutex);
}

SWIFT void unlock_slowly(SELF void *mutex) {
    if (!unlock) abort();
    __tsan_release(mutex);
    unlock(mutex);
}
