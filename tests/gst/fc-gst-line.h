/* framecache: whole pipelines in tests, and what passes through them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_GST_LINE_H
#define FC_GST_LINE_H

#include "fc-gst-test.h"

/* A live writer of 50 small frames a second, and two seconds of history. */
#define FCT_CAPS "video/x-raw,format=GRAY8,width=32,height=32,framerate=50/1"
#define FCT_WRITER                                                             \
  "videotestsrc is-live=true ! " FCT_CAPS                                      \
  " ! fcsink name=end slot=cam0 ring-depth=100"

typedef struct
{
  guint64 number; /* the writer's, counted from 0 */
  GstClockTime pts;
  GstClockTime duration;
  GstClockTimeDiff running;     /* of the pts, by the segment */
  GstClockTimeDiff running_end; /* of pts + duration */
  GstClockTimeDiff absolute;    /* running + base time */
  GstClockTimeDiff now;         /* running time when it passed */
  gdouble rate;                 /* the segment's */
  gdouble applied_rate;
  gboolean discont;
} FctSeen;

typedef struct
{
  GstElement *pipeline;
  GstElement *end;
  GMutex lock;
  GArray *seen;
} FctLine;

/* TEXT's element "end" is looked at, on its pad PAD. Where that is fcsink, its
 * frames get their numbers there. With CLOCK, which may be NULL for the usual
 * one. A LATENCY message is heeded as by any application. */
void fct_line_make (FctLine *self, const gchar *text, const gchar *pad,
                    GstClock *clock);
/* And PLAYING. */
void fct_line_start (FctLine *self, const gchar *text, const gchar *pad,
                     GstClock *clock);
/* Another element of OF's pipeline; stopped like one of its own. */
void fct_line_also (FctLine *self, FctLine *of, const gchar *name,
                    const gchar *pad);
void fct_line_set (FctLine *self, GstState state);
void fct_line_stop (FctLine *self);

guint fct_line_count (FctLine *self);
FctSeen fct_line_nth (FctLine *self, guint n);
/* Frame NUMBER, which must have passed. */
FctSeen fct_line_find (FctLine *self, guint64 number);

/* How much later than WRITER's frame SEEN is: both by CLOCK_MONOTONIC where
 * both pipelines run by it. */
GstClockTimeDiff fct_line_shift (FctLine *writer, const FctSeen *seen);

#endif /* FC_GST_LINE_H */
