/* framecache: a consumer that measures
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Attaches to a slot on a thread of its own, takes every frame, lets go of it
 * at once, and keeps what can be told of it. Where the slot grants leases it
 * copies nothing; an observer has to copy.
 */
#ifndef FCCTL_METER_H
#define FCCTL_METER_H

#include "fcctl.h"
#include "histogram.h"

G_BEGIN_DECLS

typedef struct
{
  guint64 frames;
  guint64 bytes;
  guint64 keys;    /* key frames */
  guint64 dropped; /* frames lost before one that was taken */
  guint64 laps;    /* times that frames were lost */
  guint64 gaps;    /* holes in the stream's own time between two frames that
                      follow one another */
  guint64 gap_ns;  /* their sum */
  FcctlHistogram capture_to_commit, capture_to_here, commit_to_here; /* ns */
} FcctlCounts;

void fcctl_counts_merge (FcctlCounts *into, const FcctlCounts *from);

typedef enum
{
  FCCTL_METER_WAITING, /* for a slot, or for what comes after an end */
  FCCTL_METER_READING,
  FCCTL_METER_LOST,  /* the writer is dead, the next one is waited for */
  FCCTL_METER_FAILED /* it is over: result and sentence say why */
} FcctlMeterState;

/* Something that happened. */
typedef struct
{
  const gchar *id; /* "attached", "eos", ... */
  gchar *text;     /* a clause for people, fit for a terminal */
} FcctlMeterEvent;

/* What there was since the reading before. */
typedef struct
{
  FcctlMeterState state;
  guint64 elapsed_ns;
  guint generation, epoch;
  gboolean observing;
  FcctlCounts counts;
  GPtrArray *events; /* of FcctlMeterEvent */
  int result;        /* FCCTL_METER_FAILED: an error of libfc's */
  gchar *sentence;
} FcctlReading;

void fcctl_reading_free (FcctlReading *reading);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FcctlReading, fcctl_reading_free)

typedef struct _FcctlMeter FcctlMeter;

/* WAIT ns for a slot that does not exist, or FC_FOREVER. READY, where it is not
 * NULL, is called in the default main context, once, when there is something
 * to read that should not wait: an event, or the end. */
FcctlMeter *fcctl_meter_new (const gchar *directory, const gchar *slot,
                             gboolean observe, gint64 wait, GSourceFunc ready,
                             gpointer user_data);
/* Begins a new reading. */
FcctlReading *fcctl_meter_take (FcctlMeter *meter);
/* Ends the thread. Takes NULL. */
void fcctl_meter_free (FcctlMeter *meter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FcctlMeter, fcctl_meter_free)

G_END_DECLS

#endif /* FCCTL_METER_H */
