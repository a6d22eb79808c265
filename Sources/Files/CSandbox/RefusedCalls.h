// SPDX-License-Identifier: Apache-2.0
//
// The system calls that a sandboxed process is refused, by what they would let it do.
//
// X(call) names those that every architecture and the C library's headers have; NUMBER(number) those that are newer than some
// headers, whose numbers are the same on all architectures. Landlock knows nothing about modes, owners, times and extended
// attributes, so changing them by path is refused here; OutputFile changes those of its own open files.
#pragma once

#define CALLS_TO_RUN(X) X(execve) X(execveat) X(setns) X(unshare) X(chroot) X(personality)
#define NUMBERS_TO_RUN(N) N(/* memfd_secret */ 447)

#define CALLS_ON_PROCESSES(X)                                                                           \
    X(ptrace) X(process_vm_readv) X(process_vm_writev) X(kcmp) X(tkill) X(rt_sigqueueinfo)              \
    X(migrate_pages) X(move_pages)
#define NUMBERS_ON_PROCESSES(N)                                                                         \
    N(/* pidfd_send_signal */ 424) N(/* pidfd_open */ 434) N(/* pidfd_getfd */ 438)                     \
    N(/* process_madvise */ 440) N(/* process_mrelease */ 448)

#define CALLS_BETWEEN_PROCESSES(X)                                                                      \
    X(shmget) X(shmat) X(shmctl) X(semget) X(semctl) X(semtimedop) X(msgget) X(msgsnd) X(msgrcv)        \
    X(msgctl) X(mq_open) X(mq_unlink) X(mq_timedsend) X(mq_timedreceive) X(mq_notify)

#define CALLS_ON_THE_KERNEL(X)                                                                          \
    X(mount) X(umount2) X(pivot_root) X(swapon) X(swapoff) X(init_module) X(finit_module)               \
    X(delete_module) X(kexec_load) X(reboot) X(bpf) X(perf_event_open) X(keyctl) X(add_key)             \
    X(request_key) X(userfaultfd) X(acct) X(quotactl) X(sethostname) X(setdomainname) X(settimeofday)   \
    X(clock_settime) X(adjtimex) X(clock_adjtime) X(syslog) X(vhangup) X(nfsservctl) X(lookup_dcookie)  \
    X(fanotify_init) X(fanotify_mark)
#define NUMBERS_ON_THE_KERNEL(N)                                                                        \
    N(/* io_uring_setup */ 425) N(/* io_uring_enter */ 426) N(/* io_uring_register */ 427)              \
    N(/* open_tree */ 428) N(/* move_mount */ 429) N(/* fsopen */ 430) N(/* fsconfig */ 431)            \
    N(/* fsmount */ 432) N(/* fspick */ 433) N(/* mount_setattr */ 442) N(/* quotactl_fd */ 443)        \
    N(/* lsm_set_self_attr */ 460) N(/* open_tree_attr */ 467)

#define CALLS_ON_PATHS(X)                                                                               \
    X(truncate) X(fchmodat) X(fchownat) X(setxattr) X(lsetxattr) X(fsetxattr) X(removexattr)            \
    X(lremovexattr) X(fremovexattr) X(mknodat) X(symlinkat) X(linkat) X(name_to_handle_at)              \
    X(open_by_handle_at)
#define NUMBERS_ON_PATHS(N)                                                                             \
    N(/* fchmodat2 */ 452) N(/* setxattrat */ 463) N(/* removexattrat */ 466) N(/* file_setattr */ 469)

#define CALLS_FOR_NEW_CONNECTIONS(X)                                                                    \
    X(socket) X(socketpair) X(bind) X(connect) X(listen) X(sendmsg) X(sendmmsg) X(recvmsg) X(recvmmsg)
#define CALLS_ON_CONNECTIONS(X) X(accept) X(accept4) X(sendto) X(recvfrom) X(setsockopt)

#ifdef __x86_64__
#define CALLS_OF_OLD_TIMES(X)                                                                           \
    X(fork) X(vfork) X(chmod) X(chown) X(lchown) X(utime) X(utimes) X(futimesat) X(mknod) X(symlink)    \
    X(link) X(uselib) X(ustat) X(sysfs) X(modify_ldt) X(iopl) X(ioperm) X(kexec_file_load)              \
    X(create_module) X(query_module) X(get_kernel_syms)
#else
#define CALLS_OF_OLD_TIMES(X) X(kexec_file_load)
#endif
