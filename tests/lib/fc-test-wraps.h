/* Every call of libfc's into the C library that the kernel has a part in, or
 * that can fail: the program that includes this, and is linked with --wrap of
 * these (see meson.build), is asked before each one and told after it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_TEST_WRAPS_H
#define FC_TEST_WRAPS_H

#include "fc-test.h"

#include <dirent.h>
#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

/* What a call can come to, some day or other. */
#define FAILS 1u       /* the error that is given with it */
#define INTERRUPTED 2u /* EINTR, be it only on some file systems */
#define LONG 4u        /* EINTR again and again, if signals come fast */
#define SLEEPS 8u      /* not an error: until somebody wakes */

/* The program's own. before_call () returns what errno the call has to fail
 * with, 0 to let it be made. */
static int before_call (int error, unsigned can);
static void after_call (void);

#define WRAP(type, name, parameters, arguments, bad, error, can)               \
  type __real_##name parameters;                                               \
  type __wrap_##name parameters;                                               \
  type __wrap_##name parameters                                                \
  {                                                                            \
    int with = before_call (error, can);                                       \
    type result;                                                               \
                                                                               \
    if (with != 0)                                                             \
      {                                                                        \
        errno = with;                                                          \
        return bad;                                                            \
      }                                                                        \
    result = __real_##name arguments;                                          \
    after_call ();                                                             \
    return result;                                                             \
  }

typedef void *(*thread_func_t) (void *arg);

/* Memory */
WRAP (void *, malloc, (size_t size), (size), NULL, ENOMEM, FAILS)
WRAP (void *, calloc, (size_t n, size_t size), (n, size), NULL, ENOMEM, FAILS)
WRAP (void *, realloc, (void *base, size_t size), (base, size), NULL, ENOMEM,
      FAILS)
WRAP (char *, strdup, (const char *text), (text), NULL, ENOMEM, FAILS)
WRAP (void *, mmap64,
      (void *base, size_t size, int protection, int flags, int fd, off_t at),
      (base, size, protection, flags, fd, at), MAP_FAILED, ENOMEM, FAILS)
WRAP (int, munmap, (void *base, size_t size), (base, size), -1, ENOMEM, 0)
WRAP (int, madvise, (void *base, size_t size, int advice), (base, size, advice),
      -1, EINVAL, FAILS)

/* Files */
WRAP (int, open64, (const char *path, int flags, mode_t mode),
      (path, flags, mode), -1, EMFILE, FAILS | INTERRUPTED)
WRAP (int, openat64, (int dir, const char *path, int flags, mode_t mode),
      (dir, path, flags, mode), -1, EMFILE, FAILS | INTERRUPTED)
WRAP (int, fcntl64, (int fd, int command, void *argument),
      (fd, command, argument), -1, ENOLCK,
      FAILS | (command == F_OFD_SETLK ? INTERRUPTED : 0))
WRAP (int, fstat64, (int fd, struct stat *st), (fd, st), -1, EIO, FAILS)
WRAP (int, fstatat64, (int dir, const char *path, struct stat *st, int flags),
      (dir, path, st, flags), -1, EIO, FAILS)
WRAP (int, fstatvfs64, (int fd, struct statvfs *fs), (fd, fs), -1, EIO,
      FAILS | INTERRUPTED)
WRAP (int, fallocate64, (int fd, int mode, off_t at, off_t size),
      (fd, mode, at, size), -1, ENOSPC,
      FAILS | INTERRUPTED | (size > (64 << 10) ? LONG : 0))
WRAP (int, ftruncate64, (int fd, off_t size), (fd, size), -1, EIO,
      FAILS | INTERRUPTED)
WRAP (int, fchmod, (int fd, mode_t mode), (fd, mode), -1, EPERM, FAILS)
WRAP (int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid), -1, EPERM,
      FAILS)
WRAP (int, futimens, (int fd, const struct timespec times[2]), (fd, times), -1,
      EPERM, FAILS)
WRAP (int, mkdir, (const char *path, mode_t mode), (path, mode), -1, EACCES,
      FAILS)
WRAP (int, faccessat, (int dir, const char *path, int mode, int flags),
      (dir, path, mode, flags), -1, EACCES, FAILS)
WRAP (int, renameat, (int from, const char *old, int to, const char *new),
      (from, old, to, new), -1, EIO, FAILS)
WRAP (int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags),
      -1, EIO, FAILS)
WRAP (ssize_t, pread64, (int fd, void *into, size_t size, off_t at),
      (fd, into, size, at), -1, EIO, FAILS | INTERRUPTED)
WRAP (DIR *, fdopendir, (int fd), (fd), NULL, ENOMEM, FAILS)

/* Waiting, waking, threads */
WRAP (int, eventfd, (unsigned value, int flags), (value, flags), -1, EMFILE,
      FAILS)
WRAP (int, inotify_init1, (int flags), (flags), -1, EMFILE, FAILS)
WRAP (int, inotify_add_watch, (int fd, const char *path, uint32_t mask),
      (fd, path, mask), -1, ENOSPC, FAILS)
WRAP (int, poll, (struct pollfd * fds, nfds_t n, int timeout),
      (fds, n, timeout), -1, ENOMEM, FAILS | INTERRUPTED)
WRAP (int, clock_nanosleep,
      (clockid_t clock, int flags, const struct timespec *until,
       struct timespec *left),
      (clock, flags, until, left), with, EINTR, INTERRUPTED)
WRAP (int, pthread_create,
      (pthread_t * thread, const pthread_attr_t *attributes, thread_func_t func,
       void *arg),
      (thread, attributes, func, arg), with, EAGAIN, FAILS)
WRAP (ssize_t, getrandom, (void *into, size_t size, unsigned flags),
      (into, size, flags), -1, ENOSYS, FAILS | INTERRUPTED)
WRAP (long, syscall,
      (long number, long a, long b, long c, long d, long e, long f),
      (number, a, b, c, d, e, f), -1, ENOSYS,
      number == SYS_futex && (b & FUTEX_CMD_MASK) == FUTEX_WAKE
          ? 0
          : INTERRUPTED | SLEEPS)

/* Linux has closed it, whatever close () returns. */
int __real_close (int fd);
int __wrap_close (int fd);
int
__wrap_close (int fd)
{
  int with = before_call (EIO, FAILS | INTERRUPTED);
  int result = __real_close (fd);

  if (with == 0)
    {
      after_call ();
      return result;
    }
  errno = with;
  return -1;
}

#endif /* FC_TEST_WRAPS_H */
