/* The writer's housekeeper: a thread for what a frame must not pay for. It
 * keeps spare cells, frees what the dead held, wakes where many wait, and
 * observers, watches whether the slot was taken away, and gives up replaced
 * rings.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "fc-writer.h"

#define TICK_NS FC_NS_PER_S
#define TICK_REPLACED_NS (FC_NS_PER_S / 5)
/* Page tables are filled this many cells at a time, so that a stop is never
 * far away. */
#define POPULATE_CELLS 4

void
fc_housekeeper_ask (fc_writer_t *writer, uint32_t work)
{
  /* fc_housekeeper_ask:A, pairs with keep_house:A: whoever finds nothing
   * asked wakes. */
  if (atomic_fetch_or_explicit (&writer->work, work, memory_order_seq_cst) == 0)
    fc_futex_wake_own (&writer->work);
}

static fc_generation_t *
current (fc_writer_t *writer)
{
  fc_generation_t *gen;

  fc_mutex_lock (&writer->mutex);
  gen = writer->gen != NULL ? writer->gen : writer->prepared;
  if (gen != NULL)
    gen->refs++;
  fc_mutex_unlock (&writer->mutex);
  return gen;
}

static void
done (fc_writer_t *writer, fc_generation_t *gen)
{
  fc_mutex_lock (&writer->mutex);
  fc_generation_unref (gen);
  fc_mutex_unlock (&writer->mutex);
}

/* AGAIN: try although the file system was full. */
static void
append_cells (fc_writer_t *writer, fc_generation_t *gen, bool again)
{
  bool was_starved, low;
  uint32_t next;
  int r = 0;

  fc_mutex_lock (&writer->mutex);
  was_starved = gen->starved;
  if (again)
    gen->starved = false;
  for (;;)
    {
      fc_cells_collect (gen);
      /* A ring that was given up for want of memory takes none back. */
      low = fc_cells_low (gen) && !writer->suspended;
      next = gen->cells;
      fc_mutex_unlock (&writer->mutex);
      if (!low)
        return;
      r = fc_cells_reserve (gen, next);
      if (r == 0)
        fc_populate_live (fc_cell_data (gen, next), gen->geo.cell_stride);
      fc_mutex_lock (&writer->mutex);
      if (r < 0)
        break;
      /* The frame path may have taken that one. */
      if (gen->cells == next)
        fc_cells_add (gen);
    }
  /* The frame path does not ask again until the next tick tried. */
  gen->starved = true;
  fc_mutex_unlock (&writer->mutex);
  if (!was_starved)
    fc_log (&writer->log, FC_LOG_WARNING, "%s", fc_error_detail ());
}

static bool
populate_some (fc_writer_t *writer, fc_generation_t *gen)
{
  uint32_t cells, n;

  fc_mutex_lock (&writer->mutex);
  cells = gen->cells;
  fc_mutex_unlock (&writer->mutex);
  n = cells - gen->populated;
  if (n == 0)
    return false;
  if (n > POPULATE_CELLS)
    n = POPULATE_CELLS;
  fc_populate_live (fc_cell_data (gen, gen->populated),
                    n * gen->geo.cell_stride);
  gen->populated += n;
  return gen->populated < cells;
}

static void
look_at_link (fc_writer_t *writer, fc_generation_t *gen)
{
  struct stat st;
  bool first;

  if (fstat (gen->fd, &st) < 0 || st.st_nlink > 0)
    return;
  fc_mutex_lock (&writer->mutex);
  first = !writer->removed && writer->gen == gen;
  if (first)
    {
      writer->removed = true;
      fc_generation_set_state (gen, FC_STATE_REMOVED);
    }
  fc_mutex_unlock (&writer->mutex);
  if (first)
    fc_log (&writer->log, FC_LOG_ERROR, "%s: the slot was removed", gen->path);
}

/* Cut what was drained for long enough; drop what nobody holds. The caller
 * has `keeping`. */
static void
cut_replaced (fc_writer_t *writer, bool all)
{
  fc_generation_t **at = &writer->replaced;
  uint64_t now = fc_now (CLOCK_MONOTONIC);

  while (*at != NULL)
    {
      fc_generation_t *gen = *at;
      bool in_use;

      (void) fc_table_reap (&gen->table);
      if (!all && now < gen->drained_at)
        {
          at = &gen->next;
          continue;
        }
      fc_mutex_lock (&writer->mutex);
      in_use = gen->out > 0;
      fc_mutex_unlock (&writer->mutex);
      if (fc_generation_cut (gen, in_use))
        {
          *at = gen->next;
          done (writer, gen);
        }
      else
        at = &gen->next;
    }
}

static bool
listed (const fc_writer_t *writer, const fc_generation_t *gen)
{
  const fc_generation_t *at = writer->replaced;

  while (at != NULL && at != gen)
    at = at->next;
  return at != NULL;
}

void
fc_housekeeper_replace (fc_writer_t *writer, fc_generation_t *gen,
                        uint64_t drain_ns)
{
  fc_generation_set_state (gen, FC_STATE_REPLACED);
  pthread_mutex_lock (&writer->keeping);
  cut_replaced (writer, true);
  gen->drained_at = fc_now (CLOCK_MONOTONIC) + drain_ns;
  if (!listed (writer, gen))
    {
      fc_mutex_lock (&writer->mutex);
      gen->refs++;
      fc_mutex_unlock (&writer->mutex);
      gen->next = writer->replaced;
      writer->replaced = gen;
    }
  cut_replaced (writer, drain_ns == 0);
  pthread_mutex_unlock (&writer->keeping);
}

static void
tick (fc_writer_t *writer, fc_generation_t *gen)
{
  unsigned reaped;

  /* GEN may be replaced, and reaped as such, at any moment; the locks of one
   * description do not exclude one another. */
  pthread_mutex_lock (&writer->keeping);
  reaped = fc_table_reap (&gen->table);
  pthread_mutex_unlock (&writer->keeping);
  if (reaped > 0)
    fc_log (&writer->log, FC_LOG_INFO,
            "%s: freed the entries of %u dead consumers", gen->path, reaped);
  look_at_link (writer, gen);
  fc_mutex_lock (&writer->mutex);
  if (gen == writer->gen && !gen->locked)
    fc_generation_show_life (gen);
  fc_mutex_unlock (&writer->mutex);
  append_cells (writer, gen, true);
  pthread_mutex_lock (&writer->keeping);
  cut_replaced (writer, false);
  pthread_mutex_unlock (&writer->keeping);
}

static void
do_work (fc_writer_t *writer, fc_generation_t *gen, uint32_t work)
{
  if ((work & FC_WORK_WAKE) != 0)
    fc_table_wake_waiting (&gen->table, UINT32_MAX);
  if ((work & FC_WORK_OBSERVE) != 0)
    fc_futex_wake (&gen->words->wake, INT_MAX);
  if ((work & FC_WORK_SPARE) != 0)
    append_cells (writer, gen, false);
}

static uint64_t
tick_length (fc_writer_t *writer)
{
  bool replaced;

  pthread_mutex_lock (&writer->keeping);
  replaced = writer->replaced != NULL;
  pthread_mutex_unlock (&writer->keeping);
  return replaced ? TICK_REPLACED_NS : TICK_NS;
}

static void *
keep_house (void *data)
{
  fc_writer_t *writer = data;
  uint64_t next_tick = 0;
  uint32_t work = 0;

  while ((work & FC_WORK_STOP) == 0)
    {
      fc_generation_t *gen = current (writer);
      uint64_t now = fc_now (CLOCK_MONOTONIC);
      bool due = now >= next_tick, more = false;

      if (gen != NULL)
        {
          do_work (writer, gen, work);
          if (due)
            tick (writer, gen);
          more = populate_some (writer, gen);
          done (writer, gen);
        }
      if (due)
        next_tick = now + tick_length (writer);
      if (!more)
        fc_futex_wait_own (&writer->work, 0, fc_until (next_tick, TICK_NS));
      /* keep_house:A, pairs with fc_housekeeper_ask:A. */
      work = atomic_exchange_explicit (&writer->work, 0, memory_order_seq_cst);
    }
  return NULL;
}

int
fc_housekeeper_start (fc_writer_t *writer)
{
  sigset_t all, before;
  int r;

  /* Signals are the application's threads' to take. */
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  r = pthread_create (&writer->thread, NULL, keep_house, writer);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  if (r != 0)
    return fc_fail (-r, "can not start the housekeeper thread: %s",
                    strerror (r));
  pthread_setname_np (writer->thread, "fc-housekeeper");
  writer->running = true;
  return 0;
}

void
fc_housekeeper_stop (fc_writer_t *writer)
{
  if (!writer->running)
    return;
  fc_housekeeper_ask (writer, FC_WORK_STOP);
  pthread_join (writer->thread, NULL);
  writer->running = false;
}
