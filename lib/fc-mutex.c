/* The contended half of the mutex.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-mutex.h"
#include "fc-private.h"

void
fc_mutex_wait (fc_mutex_t *mutex)
{
  /* fc_mutex_wait:A, pairs with fc_mutex_unlock:A. Who comes from here does not
   * know whether others sleep, and says that they may. */
  while (atomic_exchange_explicit (&mutex->state, 2, memory_order_acquire) != 0)
    fc_futex_wait_own (&mutex->state, 2, INT64_MAX);
}

void
fc_mutex_wake (fc_mutex_t *mutex)
{
  fc_futex_wake_own (&mutex->state);
}
