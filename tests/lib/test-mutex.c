/* The mutex that a writer's threads share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-mutex.h"
#include "fc-test.h"

#define THREADS 4
#define ROUNDS 100000

static fc_mutex_t mutex;
static unsigned long count;
static _Atomic bool has_it;

static void *
take_it (void *arg)
{
  (void) arg;
  fc_mutex_lock (&mutex);
  has_it = true;
  fc_mutex_unlock (&mutex);
  return NULL;
}

static void
who_finds_it_taken_waits (void)
{
  pthread_t thread;

  fc_mutex_lock (&mutex);
  thread = thread_new (take_it, NULL);
  WAIT_UNTIL (mutex.state == 2);
  CHECK (!has_it);
  fc_mutex_unlock (&mutex);
  thread_join (thread);
  CHECK (has_it);
  CHECK_EQ (mutex.state, 0);
}

static void *
count_up (void *arg)
{
  (void) arg;
  for (int i = 0; i < ROUNDS; i++)
    {
      fc_mutex_lock (&mutex);
      count++;
      fc_mutex_unlock (&mutex);
    }
  return NULL;
}

static void
one_at_a_time_has_it (void)
{
  pthread_t threads[THREADS];

  for (int i = 0; i < THREADS; i++)
    threads[i] = thread_new (count_up, NULL);
  for (int i = 0; i < THREADS; i++)
    thread_join (threads[i]);
  CHECK_EQ (count, (unsigned long) THREADS * ROUNDS);
  CHECK_EQ (mutex.state, 0);
}

static const test_t tests[] = {
  TEST (who_finds_it_taken_waits),
  TEST (one_at_a_time_has_it),
};
TEST_MAIN (tests)
