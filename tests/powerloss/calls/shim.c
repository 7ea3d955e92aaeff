/* A preloaded library that records what a process changes below a folder, in the order in which the kernel does it, and
 * that makes the n-th such call, or the n-th allocation, fail.
 *
 * System calls are caught by a seccomp filter, which turns them into a signal, and not by symbols of libc: the crate
 * `tempfile`, by which Lance names its files, makes its own system calls. The one place from which calls pass the filter
 * is `shim_call`. A filter outlives exec, and this library's address does not: the process must not start programs that
 * write. What a log holds: tests/powerloss/calls/log.py. x86-64 only. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

long shim_call(long number, ...);
extern char shim_called[];
__asm__(".text\n.globl shim_call\n.hidden shim_call\n.type shim_call,@function\nshim_call:\n"
        "mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nmov %rcx,%rdx\nmov %r8,%r10\nmov %r9,%r8\nmov 8(%rsp),%r9\n"
        "syscall\n.globl shim_called\n.hidden shim_called\nshim_called:\nret\n");

enum kind { CREATE = 1, WRITE, TRUNCATE, SYNC, SYNC_FOLDER, RENAME, LINK, UNLINK, MKDIR, RMDIR, MARK, UNKNOWN };

struct record {
  uint32_t kind, error; /* error: errno of the call, 0 where it succeeded */
  uint64_t inode, offset;
  uint32_t path, other, data, reserved; /* lengths of what follows */
};

#define MEMORY 31 /* the kind of allocations, which are counted and not recorded */
static char root[PATH_MAX];
static size_t root_length;
static int log_file = -1;
static volatile int turn;
static volatile uint32_t failing_kinds;
static volatile long failing_at, failing_seen, seen[32];
static volatile int failing_error, failing_on;

/* ---- what a test calls ---- */

/* Records what happens below `folder` to `log` from now on; both are absolute, without symbolic links. 0 or -errno. */
int shim_record(const char *folder, const char *log) {
  root_length = strlen(folder);
  if (root_length >= sizeof root) return -ENAMETOOLONG;
  memcpy(root, folder, root_length + 1);
  int opened = shim_call(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  if (opened < 0) return opened;
  log_file = opened;
  for (int kind = 0; kind < 32; kind++) seen[kind] = 0;
  return 0;
}

/* From now on the n-th call (from 1) of the kinds whose bits are set fails; on: so do all after it, and if it is a write,
 * half of it is written. n = 0: none. */
void shim_fail(uint32_t kinds, long n, int error, int on) {
  for (int kind = 0; kind < 32; kind++) seen[kind] = 0;
  failing_seen = 0, failing_at = n, failing_error = error, failing_on = on, failing_kinds = kinds;
}

/* Number of calls of the kinds since the last shim_record or shim_fail. */
long shim_count(uint32_t kinds) {
  long sum = 0;
  for (int kind = 0; kind < 32; kind++)
    if (kinds >> kind & 1) sum += seen[kind];
  return sum;
}

/* ---- recording ---- */

static void lock(void) {
  while (__atomic_exchange_n(&turn, 1, __ATOMIC_ACQUIRE)) shim_call(SYS_sched_yield);
}

static void unlock(void) { __atomic_store_n(&turn, 0, __ATOMIC_RELEASE); }

enum { PASSES, FAILS, FAILS_FIRST }; /* the first of all those that fail from now on */

static int counted(int kind) { /* whether this call must fail; its errno is failing_error */
  __atomic_add_fetch(&seen[kind], 1, __ATOMIC_RELAXED);
  if (!(failing_kinds >> kind & 1) || !failing_at) return PASSES;
  long number = __atomic_add_fetch(&failing_seen, 1, __ATOMIC_RELAXED);
  if (!failing_on) return number == failing_at ? FAILS : PASSES;
  return number == failing_at ? FAILS_FIRST : number > failing_at ? FAILS : PASSES;
}

static void record(int kind, long result, uint64_t inode, uint64_t offset, const char *path, const char *other,
                   const struct iovec *data, int data_count) {
  struct record head = {kind, result < 0 ? -result : 0, inode, offset, 0, 0, 0, 0};
  struct iovec all[3 + 1024];
  int count = 3;
  head.path = path ? strlen(path) : 0, head.other = other ? strlen(other) : 0;
  all[0] = (struct iovec){&head, sizeof head};
  all[1] = (struct iovec){(void *)path, head.path};
  all[2] = (struct iovec){(void *)other, head.other};
  long left = kind == WRITE && result > 0 ? result : 0;
  for (int i = 0; i < data_count && left > 0 && i < 1020; i++) {
    size_t length = (long)data[i].iov_len < left ? data[i].iov_len : (size_t)left;
    all[count++] = (struct iovec){data[i].iov_base, length};
    head.data += length, left -= length;
  }
  shim_call(SYS_writev, log_file, all, count);
}

/* Text: what was promised by now, for example that a commit returned. */
void shim_mark(const char *text) {
  lock();
  if (log_file >= 0) record(MARK, 0, 0, 0, text, NULL, NULL, 0);
  unlock();
}

/* ---- paths ---- */

static int below(const char *path) {
  return log_file >= 0 && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

static int link_of(const char *folder, long number, char *into) { /* target of /proc/self/fd/N; its length, or < 0 */
  char name[64], digits[24];
  int length = 0, at = sizeof digits;
  strcpy(name, folder);
  if (number >= 0) {
    do digits[--at] = '0' + number % 10; while (number /= 10);
    length = sizeof digits - at;
    memcpy(name + strlen(folder), digits + at, length), name[strlen(folder) + length] = 0;
  }
  long found = shim_call(SYS_readlinkat, AT_FDCWD, name, into, PATH_MAX - 1);
  if (found >= 0) into[found] = 0;
  return found;
}

static int file_below(long fd) { /* whether an open file lies below the folder, or did when it was unlinked */
  char path[PATH_MAX];
  return log_file >= 0 && link_of("/proc/self/fd/", fd, path) > 0 && below(path);
}

static int absolute(long folder, const char *path, char *into) { /* whether the path is below the folder */
  int length = 0;
  if (!path || log_file < 0) return 0;
  if (path[0] != '/') {
    length = (int)folder == AT_FDCWD ? link_of("/proc/self/cwd", -1, into) : link_of("/proc/self/fd/", folder, into);
    if (length < 0) return 0;
    into[length++] = '/';
  }
  if (length + strlen(path) >= PATH_MAX) return 0;
  strcpy(into + length, path);
  return below(into);
}

static uint64_t inode_of(const char *path) { /* 0: there is none */
  struct stat found;
  return shim_call(SYS_newfstatat, AT_FDCWD, path, &found, AT_SYMLINK_NOFOLLOW) ? 0 : found.st_ino;
}

/* ---- calls ---- */

static long opened(long number, long folder, const char *path, long flags, long mode, const long *a) {
  char name[PATH_MAX];
  struct stat now;
  if (!absolute(folder, path, name)) return shim_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  lock();
  if ((flags & O_TMPFILE) == O_TMPFILE) record(UNKNOWN, 0, 0, number, name, NULL, NULL, 0);
  int new = flags & O_CREAT && !inode_of(name);
  long result = new && counted(CREATE) ? -failing_error : shim_call(SYS_openat, folder, path, flags, mode);
  int found = result >= 0 && !shim_call(SYS_fstat, result, &now);
  if (new) record(CREATE, result < 0 ? result : 0, found ? now.st_ino : 0, 0, name, NULL, NULL, 0);
  else if (found && flags & O_TRUNC) record(TRUNCATE, 0, now.st_ino, 0, NULL, NULL, NULL, 0);
  unlock();
  return result;
}

static long written(long number, const long *a, const struct iovec *data, int count, int placed) {
  struct stat now;
  if (!file_below(a[0])) return shim_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  lock();
  int fails = counted(WRITE);
  long result = -failing_error, length = a[2];
  if (fails == FAILS_FIRST && count == 1 && length > 1) length /= 2, fails = PASSES; /* the disk is full in between */
  if (!fails) result = shim_call(number, a[0], a[1], length, a[3], a[4], a[5]);
  uint64_t offset = placed ? (uint64_t)a[3] : (uint64_t)(shim_call(SYS_lseek, a[0], 0, SEEK_CUR) - (result > 0 ? result : 0));
  shim_call(SYS_fstat, a[0], &now);
  record(WRITE, result, now.st_ino, offset, NULL, NULL, data, count);
  unlock();
  return result;
}

static long of_file(long number, int kind, const long *a) { /* fsync, fdatasync, ftruncate */
  struct stat now;
  if (!file_below(a[0])) return shim_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  lock();
  shim_call(SYS_fstat, a[0], &now);
  if (kind == SYNC && S_ISDIR(now.st_mode)) kind = SYNC_FOLDER;
  long result = counted(kind) ? -failing_error : shim_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  record(kind, result, now.st_ino, kind == TRUNCATE ? a[1] : 0, NULL, NULL, NULL, 0);
  unlock();
  return result;
}

static long of_name(long number, int kind, long folder, const char *path, const long *a) { /* mkdir, unlink, rmdir */
  char name[PATH_MAX];
  if (!absolute(folder, path, name)) return shim_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  lock();
  /* a folder that is there is asked for again and again: that is no change */
  int counts = kind != MKDIR || !inode_of(name);
  long result = counts && counted(kind) ? -failing_error : shim_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  if (counts) record(kind, result, inode_of(name), 0, name, NULL, NULL, 0);
  unlock();
  return result;
}

static long of_names(long number, int kind, long from, const char *path, long to, const char *other, long flags,
                     const long *a) { /* rename, link */
  char name[PATH_MAX], new[PATH_MAX];
  int is_below = absolute(from, path, name);
  is_below |= absolute(to, other, new);
  if (!is_below) return shim_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  lock();
  if (flags & ~1L) record(UNKNOWN, 0, 0, number, name, NULL, NULL, 0); /* 1: RENAME_NOREPLACE */
  uint64_t inode = inode_of(name);
  long result = counted(kind) ? -failing_error : shim_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  record(kind, result, inode, 0, name, new, NULL, 0);
  unlock();
  return result;
}

static long unknown(long number, const long *a) { /* what the model of a disk does not have, below the folder */
  char name[PATH_MAX];
  const char *path = NULL;
  int is_file = 0, is_path = 0;
  switch (number) {
    case SYS_mmap: is_file = a[2] & PROT_WRITE && a[3] & MAP_SHARED && !(a[3] & MAP_ANONYMOUS), is_file = is_file && file_below(a[4]); break;
    case SYS_truncate: is_path = absolute(AT_FDCWD, path = (char *)a[0], name); break;
    case SYS_symlink: is_path = absolute(AT_FDCWD, path = (char *)a[1], name); break;
    case SYS_symlinkat: is_path = absolute(a[1], path = (char *)a[2], name); break;
    case SYS_openat2: is_path = absolute(a[0], path = (char *)a[1], name); break;
    case SYS_copy_file_range: is_file = file_below(a[2]); break;
    case SYS_splice: is_file = file_below(a[2]); break;
    case SYS_io_uring_setup: is_file = log_file >= 0; break;
    default: is_file = file_below(a[0]); /* sendfile, fallocate, pwritev, sync_file_range, syncfs */
  }
  if (is_file || is_path) {
    lock();
    record(UNKNOWN, 0, 0, number, is_path ? name : NULL, NULL, NULL, 0);
    unlock();
  }
  return shim_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static long called(long number, const long *a) {
  struct iovec one = {(void *)a[1], a[2]};
  switch (number) {
    case SYS_open: return opened(number, AT_FDCWD, (char *)a[0], a[1], a[2], a);
    case SYS_creat: return opened(number, AT_FDCWD, (char *)a[0], O_CREAT | O_WRONLY | O_TRUNC, a[1], a);
    case SYS_openat: return opened(number, a[0], (char *)a[1], a[2], a[3], a);
    case SYS_write: return written(number, a, &one, 1, 0);
    case SYS_pwrite64: return written(number, a, &one, 1, 1);
    case SYS_writev: return written(number, a, (struct iovec *)a[1], a[2], 0);
    case SYS_ftruncate: return of_file(number, TRUNCATE, a);
    case SYS_fsync:
    case SYS_fdatasync: return of_file(number, SYNC, a);
    case SYS_mkdir: return of_name(number, MKDIR, AT_FDCWD, (char *)a[0], a);
    case SYS_mkdirat: return of_name(number, MKDIR, a[0], (char *)a[1], a);
    case SYS_rmdir: return of_name(number, RMDIR, AT_FDCWD, (char *)a[0], a);
    case SYS_unlink: return of_name(number, UNLINK, AT_FDCWD, (char *)a[0], a);
    case SYS_unlinkat: return of_name(number, a[2] & AT_REMOVEDIR ? RMDIR : UNLINK, a[0], (char *)a[1], a);
    case SYS_rename: return of_names(number, RENAME, AT_FDCWD, (char *)a[0], AT_FDCWD, (char *)a[1], 0, a);
    case SYS_renameat: return of_names(number, RENAME, a[0], (char *)a[1], a[2], (char *)a[3], 0, a);
    case SYS_renameat2: return of_names(number, RENAME, a[0], (char *)a[1], a[2], (char *)a[3], a[4], a);
    case SYS_link: return of_names(number, LINK, AT_FDCWD, (char *)a[0], AT_FDCWD, (char *)a[1], 0, a);
    case SYS_linkat: return of_names(number, LINK, a[0], (char *)a[1], a[2], (char *)a[3], 0, a);
    default: return unknown(number, a);
  }
}

static void caught(int signal, siginfo_t *info, void *context) {
  greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  long arguments[6] = {r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8], r[REG_R9]};
  (void)signal;
  r[REG_RAX] = called(info->si_syscall, arguments);
}

/* ---- the filter ---- */

#define CHANGING (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_EQUAL(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then, otherwise)
#define TRAP(number) IF_EQUAL(number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)
#define TRAP_IF(number, flags_argument, bits)                                             \
  IF_EQUAL(number, 0, 4), LOAD(args[flags_argument]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1), \
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* 0, or -errno where this kernel refuses the filter. */
static int installed = -EAGAIN;
int shim_installed(void) { return installed; }

__attribute__((constructor)) static void install(void) {
  uint64_t place = (uint64_t)shim_called;
  struct sock_filter filter[] = {
      LOAD(arch), IF_EQUAL(AUDIT_ARCH_X86_64, 1, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
      IF_EQUAL((uint32_t)place, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
      IF_EQUAL((uint32_t)(place >> 32), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      LOAD(nr),
      TRAP(SYS_write), TRAP(SYS_pwrite64), TRAP(SYS_writev), TRAP(SYS_ftruncate), TRAP(SYS_fsync), TRAP(SYS_fdatasync),
      TRAP(SYS_mkdir), TRAP(SYS_mkdirat), TRAP(SYS_rmdir), TRAP(SYS_unlink), TRAP(SYS_unlinkat), TRAP(SYS_rename),
      TRAP(SYS_renameat), TRAP(SYS_renameat2), TRAP(SYS_link), TRAP(SYS_linkat), TRAP(SYS_creat),
      TRAP_IF(SYS_openat, 2, CHANGING), TRAP_IF(SYS_open, 1, CHANGING), TRAP_IF(SYS_mmap, 3, MAP_SHARED),
      TRAP(SYS_truncate), TRAP(SYS_symlink), TRAP(SYS_symlinkat), TRAP(SYS_openat2), TRAP(SYS_copy_file_range),
      TRAP(SYS_splice), TRAP(SYS_io_uring_setup), TRAP(SYS_sendfile), TRAP(SYS_fallocate), TRAP(SYS_pwritev),
      TRAP(SYS_pwritev2), TRAP(SYS_sync_file_range), TRAP(SYS_syncfs),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  struct sigaction on_call = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigfillset(&on_call.sa_mask); /* another handler that writes would wait for the turn of this one */
  installed = sigaction(SIGSYS, &on_call, NULL) ? -errno : 0;
  if (!installed && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) installed = -errno;
  if (!installed && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0)) installed = -errno;
}

/* ---- allocations ---- */

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);

static int refused(void) { return failing_kinds >> MEMORY & 1 && counted(MEMORY) ? (errno = ENOMEM) : 0; }

void *malloc(size_t bytes) { return refused() ? NULL : __libc_malloc(bytes); }
void *calloc(size_t count, size_t bytes) { return refused() ? NULL : __libc_calloc(count, bytes); }
void *realloc(void *held, size_t bytes) { return refused() ? NULL : __libc_realloc(held, bytes); }
void *memalign(size_t alignment, size_t bytes) { return refused() ? NULL : __libc_memalign(alignment, bytes); }
void *aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void **into, size_t alignment, size_t bytes) {
  if (refused()) return ENOMEM;
  *into = __libc_memalign(alignment, bytes);
  return *into ? 0 : ENOMEM;
}
