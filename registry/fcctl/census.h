/* framecache: all slots and their consumers, looked at again and again
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCCTL_CENSUS_H
#define FCCTL_CENSUS_H

#include "fcctl.h"
#include "meter.h"

G_BEGIN_DECLS

typedef struct
{
  fc_consumer_stat_t stat;
  gdouble rate;        /* frames/s since the look before; 0: not known */
  guint64 lag;         /* frames behind the writer */
  guint64 lag_ns;      /* or FC_TIME_NONE */
  guint64 new_dropped; /* since the look before */
} FcctlCensusConsumer;

typedef struct
{
  fc_slot_stat_t stat; /* with the rates since the look before */
  GBytes *format;      /* or NULL */
  gchar *text;         /* the format, short, fit for a terminal */
  GArray *consumers;   /* of FcctlCensusConsumer */
  gboolean sees;       /* whether they may be seen */
  guint64 lag, lag_ns; /* of the consumer that is furthest behind */
  guint64 dropped;     /* by the writer, and by the consumers that there are */
  guint64 new_dropped; /* since the look before */
  guint64 latency_ns;  /* the longest time from capture to commit of the newest
                          16 frames; 0: none, or not known */
  FcctlReading *reading; /* with latency: what came since the look before */

  /* The census's own. */
  fc_slot_view_t *view;
  fc_consumer_t *observer; /* of whom the slot does not know; or NULL */
  FcctlMeter *meter;
  gboolean seen;
} FcctlCensusSlot;

typedef struct
{
  GPtrArray *slots; /* of FcctlCensusSlot, by name */
  gboolean latency; /* attach to each slot as a consumer, to measure */
  GHashTable *by_name;
  gint64 looked; /* µs */
} FcctlCensus;

FcctlCensus *fcctl_census_new (gboolean latency);
/* Look anew. Returns 0 or an error: no directory that will do. */
int fcctl_census_look (FcctlCensus *census);
void fcctl_census_set_latency (FcctlCensus *census, gboolean latency);
void fcctl_census_free (FcctlCensus *census);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FcctlCensus, fcctl_census_free)

G_END_DECLS

#endif /* FCCTL_CENSUS_H */
