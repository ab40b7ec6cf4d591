/* Sleeping on a word in shared memory, and waking who sleeps there. The word's
 * bytes can not lead the kernel anywhere: where it sleeps, and for how long, is
 * said by the caller alone.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fc-private.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

/* Where a long has 32 bits, the call whose times have 64. */
#ifdef SYS_futex_time64
#define SYS_FUTEX SYS_futex_time64
#else
#define SYS_FUTEX SYS_futex
#endif

/* As the kernel has them: struct timespec is the C library's. */
typedef struct
{
  int64_t seconds;
  int64_t nanoseconds;
} kernel_time_t;

/* As linux/futex.h has it since 5.16. */
typedef struct
{
  uint64_t val;
  uint64_t uaddr;
  uint32_t flags;
  uint32_t reserved;
} waiter_t;

#define WAIT_32 2u
#define WAIT_PRIVATE 128u

static kernel_time_t
kernel_time (uint64_t ns)
{
  return (kernel_time_t){ (int64_t) (ns / FC_NS_PER_S),
                          (int64_t) (ns % FC_NS_PER_S) };
}

FC_HOT static void
wait_on (const _Atomic uint32_t *word, int operation, uint32_t value,
         uint64_t until)
{
  kernel_time_t at = kernel_time (until);

  (void) syscall (SYS_FUTEX, word, operation, value, &at, NULL,
                  FUTEX_BITSET_MATCH_ANY);
}

FC_HOT void
fc_futex_wait (const _Atomic uint32_t *word, uint32_t value, uint64_t until)
{
  wait_on (word, FUTEX_WAIT_BITSET, value, until);
}

void
fc_futex_wait_own (const _Atomic uint32_t *word, uint32_t value, uint64_t until)
{
  wait_on (word, FUTEX_WAIT_BITSET_PRIVATE, value, until);
}

void
fc_futex_wait_either (const _Atomic uint32_t *word, uint32_t value,
                      const _Atomic uint32_t *own, uint32_t own_value,
                      uint64_t until)
{
  kernel_time_t at = kernel_time (until);
  waiter_t waiters[2];

  memset (waiters, 0, sizeof waiters);
  waiters[0].val = value;
  waiters[0].uaddr = (uintptr_t) word;
  waiters[0].flags = WAIT_32;
  waiters[1].val = own_value;
  waiters[1].uaddr = (uintptr_t) own;
  waiters[1].flags = WAIT_32 | WAIT_PRIVATE;
  if (syscall (SYS_futex_waitv, waiters, 2, 0, &at, CLOCK_MONOTONIC) < 0
      && errno == ENOSYS)
    fc_futex_wait (word, value, until);
}

FC_HOT void
fc_futex_wake (_Atomic uint32_t *word, int sleepers)
{
  (void) syscall (SYS_FUTEX, word, FUTEX_WAKE, sleepers, NULL, NULL, 0);
}

void
fc_futex_wake_own (_Atomic uint32_t *word)
{
  (void) syscall (SYS_FUTEX, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
