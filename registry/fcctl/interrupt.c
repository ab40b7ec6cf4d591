/* framecache: being told to end while a consumer waits
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "interrupt.h"

#include <signal.h>

static fc_consumer_t *volatile waiting;
static volatile sig_atomic_t came;

static void
on_signal (int number)
{
  fc_consumer_t *consumer = waiting;

  came = number;
  if (consumer != NULL)
    fc_consumer_interrupt (consumer);
}

void
fcctl_interrupt_set (fc_consumer_t *consumer)
{
  struct sigaction action = { .sa_handler = on_signal };

  waiting = consumer;
  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
  /* One that came just before the consumer did. */
  if (came != 0 && consumer != NULL)
    fc_consumer_interrupt (consumer);
}

int
fcctl_interrupted (void)
{
  return came;
}

void
fcctl_interrupt_raise (void)
{
  if (came == 0)
    return;
  signal (came, SIG_DFL);
  raise (came);
}
