/* Mapping, reserving and reading files.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fc-private.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

/* Bytes that are allocated at once whatever signals come. */
#define ALLOCATE_MIN (64u << 10)

#ifdef FC_ONE_MAPPING
/* For ThreadSanitizer, which knows memory by its address: all handles of a
 * process share one mapping of a file, so that a payload access that no lease
 * guards is seen as the race that it is. */
#include <pthread.h>
#include <stdio.h>

#define SHARED_MAX 64

typedef struct
{
  dev_t dev;
  ino_t ino;
  void *base;
  uint64_t length;
  unsigned users;
  pid_t pid; /* a forked child has none of its parent's mappings */
} shared_t;

static shared_t shared[SHARED_MAX];
static pthread_mutex_t shared_mutex = PTHREAD_MUTEX_INITIALIZER;

/* By a description of its own: a mapping keeps the one that it was made by
 * open, and with it that one's locks. */
static void *
map_anew (int fd, uint64_t length)
{
  char path[32];
  void *base;
  int own;

  snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  own = open (path, O_RDWR | O_CLOEXEC);
  if (own < 0)
    return MAP_FAILED;
  base = mmap (NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
  close (own);
  return base;
}

static void *
map_once (int fd, uint64_t length)
{
  struct stat st;
  int slot = -1;
  void *base = MAP_FAILED;

  fstat (fd, &st);
  pthread_mutex_lock (&shared_mutex);
  for (int i = 0; i < SHARED_MAX; i++)
    if (shared[i].users == 0 || shared[i].pid != getpid ())
      slot = i;
    else if (shared[i].dev == st.st_dev && shared[i].ino == st.st_ino
             && shared[i].length == length)
      {
        shared[i].users++;
        base = shared[i].base;
        break;
      }
  if (base == MAP_FAILED && slot >= 0)
    {
      base = map_anew (fd, length);
      if (base != MAP_FAILED)
        shared[slot]
            = (shared_t){ st.st_dev, st.st_ino, base, length, 1, getpid () };
    }
  pthread_mutex_unlock (&shared_mutex);
  return base;
}

static bool
unmap_once (void *base)
{
  bool last = true;

  pthread_mutex_lock (&shared_mutex);
  for (int i = 0; i < SHARED_MAX; i++)
    if (shared[i].users > 0 && shared[i].pid == getpid ()
        && shared[i].base == base)
      last = --shared[i].users == 0;
  pthread_mutex_unlock (&shared_mutex);
  return last;
}
#endif

void *
fc_map (int fd, uint64_t length, bool writable, const char *path)
{
  void *base;

#ifdef FC_ONE_MAPPING
  base = map_once (fd, length);
  if (base == MAP_FAILED)
#endif
    base = mmap (NULL, (size_t) length,
                 writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd,
                 0);
  if (base == MAP_FAILED)
    {
      fc_fail (-errno, "can not map %llu bytes of %s: %s",
               (unsigned long long) length, path, strerror (errno));
      return NULL;
    }
  /* Not for a child that is forked: it could do harm there, and a mapping
   * keeps its file's locks as a descriptor does, but can not be let go of
   * with closefrom (). */
  (void) madvise (base, (size_t) length, MADV_DONTFORK);
  return base;
}

void
fc_unmap (void *base, uint64_t length)
{
  if (base == NULL)
    return;
#ifdef FC_ONE_MAPPING
  if (!unmap_once (base))
    return;
#endif
  munmap (base, (size_t) length);
}

void
fc_populate_write (void *base, uint64_t length)
{
  volatile uint8_t *at = base;
  uint64_t page = (uint64_t) sysconf (_SC_PAGESIZE);

  if (madvise (base, (size_t) length, MADV_POPULATE_WRITE) == 0
      || errno != EINVAL)
    return;
  /* Before Linux 5.14. The bytes are reserved, and nobody else's yet. */
  for (uint64_t i = 0; i < length; i += page)
    at[i] = at[i]; /* cppcheck-suppress selfAssignment */
}

void
fc_populate_live (void *base, uint64_t length)
{
  /* Others may be storing there: where the kernel can not, their first touch
   * does it. */
  (void) madvise (base, (size_t) length, MADV_POPULATE_WRITE);
}

void
fc_populate_read (const void *base, uint64_t length)
{
  /* Where the kernel can not, the first lap is slower; touching by hand could
   * meet a file that its writer is truncating. */
  (void) madvise ((void *) base, (size_t) length, MADV_POPULATE_READ);
}

uint64_t
fc_bytes_free (int fd)
{
  struct statvfs fs;

  if (FC_RETRY (fstatvfs (fd, &fs)) < 0)
    return 0;
  return (uint64_t) fs.f_bavail * fs.f_frsize;
}

/* Older kernels give an fallocate () on tmpfs up as soon as any signal comes,
 * and take back what they had: whoever has a fast timer and a large file would
 * try for ever. Parts get done, if they are small enough. */
static int
allocate (int fd, uint64_t start, uint64_t length)
{
  uint64_t part = length;

  while (length > 0)
    {
      if (part > length)
        part = length;
      if (fallocate (fd, 0, (off_t) start, (off_t) part) == 0)
        {
          start += part;
          length -= part;
        }
      else if (errno != EINTR)
        return -1;
      else if (part > ALLOCATE_MIN)
        part /= 2;
    }
  return 0;
}

int
fc_reserve_of (int fd, uint64_t start, uint64_t length, uint64_t needed,
               uint64_t available, const char *path)
{
  if (allocate (fd, start, length) == 0)
    return 0;
  if (errno != ENOSPC && errno != EFBIG && errno != ENOMEM)
    return fc_fail (-errno, "can not reserve %llu bytes for %s: %s",
                    (unsigned long long) length, path, strerror (errno));
  return fc_fail (-ENOSPC,
                  "not enough shared memory for %s: %llu bytes needed, %llu "
                  "bytes free; make the ring less deep or the frames smaller, "
                  "or enlarge the file system (a container: --shm-size; a "
                  "host: mount -o remount,size=... /dev/shm)",
                  path, (unsigned long long) needed,
                  (unsigned long long) available);
}

int
fc_reserve (int fd, uint64_t start, uint64_t length, const char *path)
{
  return fc_reserve_of (fd, start, length, length, fc_bytes_free (fd), path);
}

int
fc_pread (int fd, void *into, size_t size, uint64_t offset, const char *path)
{
  uint8_t *at = into;

  while (size > 0)
    {
      ssize_t got = FC_RETRY (pread (fd, at, size, (off_t) offset));

      if (got < 0)
        return fc_fail (-errno, "can not read %s: %s", path, strerror (errno));
      if (got == 0)
        return fc_fail (-EPROTO,
                        "%s is truncated: no bytes at %llu; restart its "
                        "writer, or remove the slot",
                        path, (unsigned long long) offset);
      at += got;
      size -= (size_t) got;
      offset += (uint64_t) got;
    }
  return 0;
}
