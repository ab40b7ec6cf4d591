/* A mutex whose uncontended path is in its caller's own code: after a frame was
 * filled the caches are cold, and a visit to another library's page costs more
 * than all that is done under the mutex. On a futex, after Ulrich Drepper's
 * "Futexes Are Tricky" (2011), section 5. Not recursive, of one process.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_MUTEX_H
#define FC_MUTEX_H

#include <stdatomic.h>
#include <stdint.h>

/* 0: free; 1: taken; 2: taken, and somebody may sleep. All zeros to begin
 * with. */
typedef struct
{
  _Atomic uint32_t state;
} fc_mutex_t;

/* fc-mutex.c: what is left to do where it was not free, and where somebody may
 * sleep. */
void fc_mutex_wait (fc_mutex_t *mutex);
void fc_mutex_wake (fc_mutex_t *mutex);

static inline void
fc_mutex_lock (fc_mutex_t *mutex)
{
  uint32_t taken = 0;

  /* fc_mutex_lock:A, pairs with fc_mutex_unlock:A. */
  if (!atomic_compare_exchange_strong_explicit (
          &mutex->state, &taken, 1, memory_order_acquire, memory_order_relaxed))
    fc_mutex_wait (mutex);
}

static inline void
fc_mutex_unlock (fc_mutex_t *mutex)
{
  /* fc_mutex_unlock:A, pairs with fc_mutex_lock:A and fc_mutex_wait:A. */
  if (atomic_exchange_explicit (&mutex->state, 0, memory_order_release) == 2)
    fc_mutex_wake (mutex);
}

#endif /* FC_MUTEX_H */
