/* framecache: all slots and their consumers, looked at again and again
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "census.h"

static void
slot_free (gpointer data)
{
  FcctlCensusSlot *slot = data;

  fcctl_meter_free (slot->meter);
  g_clear_pointer (&slot->reading, fcctl_reading_free);
  fc_consumer_close (slot->observer);
  fc_slot_view_close (slot->view);
  g_array_unref (slot->consumers);
  g_clear_pointer (&slot->format, g_bytes_unref);
  g_free (slot->text);
  g_free (slot);
}

/* Consumers ---------------------------------------------------------------- */

typedef struct
{
  FcctlCensusSlot *slot;
  GArray *before;
  gdouble seconds; /* since the look before; 0: there was none */
} Look;

/* The same one at the look before, or NULL: entries are used again. */
static const FcctlCensusConsumer *
find_before (const GArray *before, const fc_consumer_stat_t *stat)
{
  for (guint i = 0; i < before->len; i++)
    {
      const FcctlCensusConsumer *old
          = &g_array_index (before, FcctlCensusConsumer, i);

      if (old->stat.entry == stat->entry && old->stat.pid == stat->pid
          && old->stat.attached_wall_ns == stat->attached_wall_ns)
        return old;
    }
  return NULL;
}

static guint64
grown (guint64 now, guint64 before)
{
  return now > before ? now - before : 0;
}

static int
add_consumer (const fc_consumer_stat_t *stat, void *user_data)
{
  Look *look = user_data;
  FcctlCensusSlot *slot = look->slot;
  const FcctlCensusConsumer *old = find_before (look->before, stat);
  FcctlCensusConsumer consumer = { .stat = *stat };

  if (slot->meter != NULL && stat->pid == (guint32) getpid ())
    return 0; /* this program, which is there to look */
  consumer.lag = fcctl_lag (&slot->stat, stat);
  consumer.lag_ns = fcctl_lag_ns (&slot->stat, consumer.lag);
  if (old != NULL)
    {
      if (look->seconds > 0)
        consumer.rate = (gdouble) grown (stat->delivered, old->stat.delivered)
                        / look->seconds;
      consumer.new_dropped = grown (stat->dropped, old->stat.dropped);
    }
  if (consumer.lag >= slot->lag)
    {
      slot->lag = consumer.lag;
      slot->lag_ns = consumer.lag_ns;
    }
  slot->dropped += stat->dropped;
  slot->new_dropped += consumer.new_dropped;
  g_array_append_val (slot->consumers, consumer);
  return 0;
}

/* Slots -------------------------------------------------------------------- */

/* Attached, and never reads: that costs it a look at headers, and the slot
 * nothing. */
static void
open_observer (FcctlCensusSlot *slot, const fc_slot_stat_t *stat)
{
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;

  options.dir = stat->dir;
  options.observe = 1;
  if (fc_consumer_open (&slot->observer, stat->name, &options) < 0)
    slot->observer = NULL;
}

static void
look_at_latency (FcctlCensusSlot *slot)
{
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;

  slot->latency_ns = 0;
  if (slot->observer != NULL && fc_consumer_stats (slot->observer, &stats) == 0)
    slot->latency_ns = stats.observed_latency_ns;
}

/* Returns 0, or an error: not a slot any more, or none that can be read. */
static int
look_at_ring (FcctlCensusSlot *slot, const fc_slot_stat_t *stat)
{
  int r = FC_REPLACED;

  if (slot->view != NULL)
    r = fc_slot_view_stat (slot->view, &slot->stat);
  if (r >= 0)
    return r;
  g_clear_pointer (&slot->view, fc_slot_view_close);
  g_clear_pointer (&slot->observer, fc_consumer_close);
  g_clear_pointer (&slot->format, g_bytes_unref);
  r = fc_slot_view_open (&slot->view, stat->dir, stat->name);
  if (r < 0)
    return r;
  open_observer (slot, stat);
  return fc_slot_view_stat (slot->view, &slot->stat);
}

static void
read_format (FcctlCensusSlot *slot)
{
  g_autofree gchar *whole = NULL;
  gconstpointer data;
  gsize size;

  if (slot->format != NULL || slot->stat.format_size == 0)
    return;
  slot->format = fcctl_read_format (slot->stat.dir, slot->stat.name);
  if (slot->format == NULL)
    return;
  data = g_bytes_get_data (slot->format, &size);
  whole = fcctl_escape (data, size);
  g_free (slot->text);
  slot->text = fcctl_caps_short (whole);
}

static int
look_at (FcctlCensus *census, FcctlCensusSlot *slot, const fc_slot_stat_t *stat,
         gdouble seconds)
{
  g_autoptr (GArray) before = slot->consumers;
  Look look = { slot, before, seconds };
  guint64 writer_dropped = slot->stat.writer_dropped;
  gboolean first = slot->view == NULL;
  int r;

  slot->consumers = g_array_new (FALSE, FALSE, sizeof (FcctlCensusConsumer));
  r = look_at_ring (slot, stat);
  if (r < 0)
    return r;
  slot->lag = slot->lag_ns = 0;
  slot->dropped = slot->stat.writer_dropped;
  slot->new_dropped
      = first ? 0 : grown (slot->stat.writer_dropped, writer_dropped);
  /* Whom the slot does not trust sees no table: the slot is shown anyway. */
  slot->sees = fc_slot_view_consumers (slot->view, add_consumer, &look) == 0;
  read_format (slot);
  look_at_latency (slot);
  if (slot->meter == NULL && census->latency)
    slot->meter = fcctl_meter_new (slot->stat.dir, slot->stat.name, FALSE,
                                   FC_FOREVER, NULL, NULL);
  g_clear_pointer (&slot->reading, fcctl_reading_free);
  if (slot->meter != NULL)
    slot->reading = fcctl_meter_take (slot->meter);
  slot->seen = TRUE;
  return 0;
}

typedef struct
{
  FcctlCensus *census;
  gdouble seconds;
} Round;

static int
each_slot (const fc_slot_stat_t *stat, void *user_data)
{
  Round *round = user_data;
  FcctlCensus *census = round->census;
  FcctlCensusSlot *slot = g_hash_table_lookup (census->by_name, stat->name);

  if (slot == NULL)
    {
      slot = g_new0 (FcctlCensusSlot, 1);
      slot->stat.struct_size = sizeof slot->stat;
      slot->consumers
          = g_array_new (FALSE, FALSE, sizeof (FcctlCensusConsumer));
      g_hash_table_insert (census->by_name, g_strdup (stat->name), slot);
    }
  if (look_at (census, slot, stat, round->seconds) == 0)
    g_ptr_array_add (census->slots, slot);
  return 0;
}

static gboolean
is_gone (gpointer key, gpointer value, gpointer user_data)
{
  FcctlCensusSlot *slot = value;
  gboolean gone = !slot->seen;

  slot->seen = FALSE;
  return gone;
}

int
fcctl_census_look (FcctlCensus *census)
{
  gint64 now = g_get_monotonic_time ();
  Round round = { census, 0 };
  int r;

  if (census->looked > 0)
    round.seconds = (gdouble) (now - census->looked) / G_USEC_PER_SEC;
  census->looked = now;
  g_ptr_array_set_size (census->slots, 0);
  r = fc_slot_list (fcctl_directory, each_slot, &round);
  g_hash_table_foreach_remove (census->by_name, is_gone, NULL);
  return r;
}

/* -------------------------------------------------------------------------- */

/* A view holds two files open, a consumer some more, and the usual limit is for
 * programs that use select (): this one does not. */
static void
open_many (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) < 0)
    return;
  limit.rlim_cur = limit.rlim_max;
  (void) setrlimit (RLIMIT_NOFILE, &limit);
}

FcctlCensus *
fcctl_census_new (gboolean latency)
{
  FcctlCensus *census = g_new0 (FcctlCensus, 1);

  open_many ();
  census->slots = g_ptr_array_new ();
  census->by_name
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, slot_free);
  census->latency = latency;
  return census;
}

void
fcctl_census_set_latency (FcctlCensus *census, gboolean latency)
{
  census->latency = latency;
  for (guint i = 0; i < census->slots->len && !latency; i++)
    {
      FcctlCensusSlot *slot = g_ptr_array_index (census->slots, i);

      g_clear_pointer (&slot->meter, fcctl_meter_free);
      g_clear_pointer (&slot->reading, fcctl_reading_free);
    }
}

void
fcctl_census_free (FcctlCensus *census)
{
  if (census == NULL)
    return;
  g_ptr_array_unref (census->slots);
  g_hash_table_unref (census->by_name);
  g_free (census);
}
