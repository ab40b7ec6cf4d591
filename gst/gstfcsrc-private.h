/* framecache: fcsrc, its inside
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_SRC_PRIVATE_H
#define GST_FC_SRC_PRIVATE_H

#include "gstfcattachment.h"
#include "gstfcbus.h"
#include "gstfcclock.h"
#include "gstfccommon.h"
#include "gstfchistogram.h"
#include "gstfchistory.h"
#include "gstfcmeta.h"
#include "gstfcnotice.h"
#include "gstfcsrc.h"
#include "gstfcsticky.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_fc_src_debug);

typedef enum
{
  GST_FC_ATTACH_AUTO,
  GST_FC_ATTACH_DIRECTORY,
  GST_FC_ATTACH_BUS
} GstFcAttach;

typedef enum
{
  GST_FC_START_LIVE,
  GST_FC_START_LATEST,
  GST_FC_START_OLDEST,
  GST_FC_START_KEY,
  GST_FC_START_TIME /* start-time is set; no value of the property */
} GstFcStart;

typedef enum
{
  GST_FC_LAP_AUTO,
  GST_FC_LAP_OLDEST,
  GST_FC_LAP_LATEST,
  GST_FC_LAP_KEY
} GstFcLap;

typedef enum
{
  GST_FC_EOS_EOS,
  GST_FC_EOS_WAIT
} GstFcEos;

typedef enum
{
  GST_FC_WRITER_LOST_WAIT,
  GST_FC_WRITER_LOST_EOS,
  GST_FC_WRITER_LOST_ERROR
} GstFcWriterLost;

typedef enum
{
  GST_FC_TIMESTAMPS_CLOCK,
  GST_FC_TIMESTAMPS_STREAM,
  GST_FC_TIMESTAMPS_ARRIVAL
} GstFcTimestamps;

typedef enum
{
  GST_FC_MEMORY_AUTO,
  GST_FC_MEMORY_ZERO_COPY,
  GST_FC_MEMORY_COPY
} GstFcMemoryMode;

typedef struct
{
  gchar *slot;
  gchar *directory;
  GstFcAttach attach;
  GstFcStart start;
  gint64 start_time; /* ns, below 0: how long ago to begin */
  GstFcLap on_lap;
  GstFcEos on_eos;
  GstFcWriterLost on_writer_lost;
  gint64 wait_for_slot;
  GstFcTimestamps timestamps;
  GstFcMemoryMode memory;
  gboolean request_key_frame;
  guint64 spin; /* ns */
} GstFcSrcSettings;

typedef struct
{
  guint64 delivered; /* frames, gaps too */
  guint64 dropped;
  guint64 dropped_keys; /* of them, those that decoding could start at */
  guint64 laps;
  guint64 skipped; /* taken and not passed on: too old, not decodable without
                      what was lost, or flushed */
  guint64 leased;
  guint64 copied;
  guint64 reconnects;
  guint64 lag; /* frames behind the writer, after the last one */
  gboolean observing;
  GstFcHistogram latency; /* from commit to here, ns */
} GstFcSrcCounts;

struct _GstFcSrc
{
  GstPushSrc parent;

  /* under the object lock */
  GstFcSrcSettings settings;
  GstFcSrcCounts counts;
  GstCaps *caps; /* of the attached ring */
  GstClockTime latency_min;
  GstClockTime latency_max;

  /* Whether the streaming thread may run: woken by wait_cond, and in libfc by
   * the attachment's being interrupted. */
  GMutex wait_lock;
  GCond wait_cond;
  gboolean flushing;
  gboolean stopping;
  GThread *streaming_thread; /* to compare with */
  gboolean paused;
  gboolean pausing;   /* the base class is about it */
  gint key_wanted;    /* downstream asked for a key frame; atomic to look at */
  gboolean bus_asked; /* each once */
  gboolean bus_answered;
  gboolean played;     /* was PLAYING since start */
  guint64 skip_before; /* frames captured before this are too old, or 0 */
  GstFcAttachment *attachment;
  GstFcHistory history; /* joined and left under wait_lock */

  /* The streaming thread's, and start's and stop's. */
  GstFcSrcSettings use; /* as they were at start */
  fc_consumer_t *consumer;
  GstFcBus *bus; /* while a slot is waited for that may come by it */
  gboolean attached;
  gboolean reused;    /* the consumer was attached in an earlier life */
  gboolean begin;     /* at the position that `start` names */
  gboolean after_eos; /* waiting for the writer after an ended one */
  gboolean need_format;
  gboolean stream_begins; /* its caps and segment are due */
  gboolean discont;
  gboolean need_key;     /* what is not decodable by itself is of no use */
  gboolean key_asked;    /* the writer, since then */
  gboolean first;        /* no frame of the attached ring was taken yet */
  gboolean headers_due;  /* those in the caps, before the next buffer */
  GQueue pending;        /* buffers that go before the next frame */
  gboolean lost;         /* the writer, and that was told */
  GstFlowReturn failure; /* of the last negotiation */
  guint64 wait_until;    /* for a slot, ns monotonic; 0: not waiting */
  guint32 generation;
  guint32 epoch;
  guint64 now;         /* when the frame at hand was looked at, ns monotonic */
  guint64 known_drops; /* of libfc's total, those accounted for */
  GstFcNotices notices;
  GstFcMetaReader metas;
  gboolean takes_video_meta; /* downstream, by its answer to ALLOCATION */

  /* what is told late joiners */
  GstFcSticky sticky;
  gchar *sticky_block;
  guint32 sticky_serial;
  GstTagList *tags_sent[2];
  guint group_id;

  /* time */
  GstFcClock clock;
  gboolean has_segment;
  GstSegment segment; /* timestamps=stream: the one in force */
  gboolean shift_pending;
  GstClockTimeDiff shift;      /* added to each running time */
  GstClockTimeDiff not_before; /* shifted running times that are too old */
  GstClockTime clockless_base; /* a pipeline without a clock */
  GstClockTime declared;       /* latency, by the writer */
  GstClockTime observed;       /* at most, so far */
  GstClockTime frame_duration; /* by the caps, or NONE */
  GstClockTime ring_time;      /* what the ring holds, or NONE */
  guint32 ring_depth;
  guint64 declared_looked_at;
};

/* gstfcsrcproperties.c */

enum
{
  GST_FC_SRC_PROP_SLOT = 1,
  GST_FC_SRC_PROP_DIRECTORY,
  GST_FC_SRC_PROP_ATTACH,
  GST_FC_SRC_PROP_START,
  GST_FC_SRC_PROP_START_TIME,
  GST_FC_SRC_PROP_ON_LAP,
  GST_FC_SRC_PROP_ON_EOS,
  GST_FC_SRC_PROP_ON_WRITER_LOST,
  GST_FC_SRC_PROP_WAIT_FOR_SLOT,
  GST_FC_SRC_PROP_TIMESTAMPS,
  GST_FC_SRC_PROP_MEMORY,
  GST_FC_SRC_PROP_REQUEST_KEY_FRAME,
  GST_FC_SRC_PROP_SPIN,
  GST_FC_SRC_PROP_STATS
};

/* And how they are set and read. */
void gst_fc_src_install_properties (GObjectClass *klass);

/* gstfcsrc.c */

/* With wait_lock: whether waiting ends at once is what its flags say. */
void gst_fc_src_update_interrupted (GstFcSrc *self);

/* gstfcsrcuri.c */

/* A GInterfaceInitFunc. */
void gst_fc_src_uri_handler_init (gpointer g_iface, gpointer iface_data);

/* gstfcsrcstream.c */

GstFlowReturn gst_fc_src_create (GstPushSrc *src, GstBuffer **buffer);

/* Memory for a copy of SIZE bytes; FLAT: that has no layout of its own. */
GstBuffer *gst_fc_src_allocate (GstFcSrc *self, gsize size, gboolean flat);

/* Count what was lost up to now, and tell all that was not told yet. */
void gst_fc_src_settle (GstFcSrc *self);

/* gstfcsrcring.c */

/* Attach, or look whether that is possible by now. OK with self->attached
 * FALSE: try again. */
GstFlowReturn gst_fc_src_attach (GstFcSrc *self);

/* The ring's format to caps, negotiated downstream. */
GstFlowReturn gst_fc_src_negotiate (GstFcSrc *self);

/* Read the sticky block where SERIAL is a newer one, and pass on what it
 * says. */
void gst_fc_src_follow_sticky (GstFcSrc *self, guint32 serial);

/* Wait out PAUSED. FALSE where it is flushing. */
gboolean gst_fc_src_may_run (GstFcSrc *self);

/* gstfcsrcbus.c */

/* Have the bus asked for the slot, where that is wanted and not done yet. */
void gst_fc_src_ask_bus (GstFcSrc *self);
/* To be asked no more. */
void gst_fc_src_leave_bus (GstFcSrc *self);

/* Wait up to TIMEOUT ns for its answer; however short that is, until all were
 * asked once. Returns FC_INTERRUPTED where there is something to look at, or
 * -ENOENT. */
int gst_fc_src_wait_for_bus (GstFcSrc *self, gint64 timeout);

/* Attach to what it has answered. Returns as fc_consumer_attach_fds (), -ENOENT
 * where there is no answer either; -ENOTSUP: self->failure is to be
 * returned. */
int gst_fc_src_attach_by_bus (GstFcSrc *self);

/* gstfcsrcstart.c */

/* Look at start and start-time. FALSE, with an error, where they make no
 * sense. */
gboolean gst_fc_src_check_start (GstFcSrc *self);

/* Where reading begins, and where it goes on after a lap. */
void gst_fc_src_get_position (GstFcSrc *self, fc_position_t *position);
fc_on_lap_t gst_fc_src_get_on_lap (GstFcSrc *self);

/* Just attached, and reading begins anew. */
void gst_fc_src_go_to_start (GstFcSrc *self);

/* Whether FRAME is of no use without frames that were not passed on. Asks the
 * writer for a key frame where that helps. */
gboolean gst_fc_src_is_undecodable (GstFcSrc *self, const fc_frame_t *frame);

/* Downstream wants a key frame. Any thread. */
void gst_fc_src_want_key (GstFcSrc *self);
gboolean gst_fc_src_is_key_wanted (GstFcSrc *self);
/* Tell the writer, where it does. */
void gst_fc_src_pass_on_request (GstFcSrc *self);

/* Takes BUFFER. Returns what goes first: BUFFER, or a header out of the caps;
 * the rest is in self->pending then. */
GstBuffer *gst_fc_src_put_headers_first (GstFcSrc *self, GstBuffer *buffer);
/* gstfcsrclayout.c */

/* Learn from QUERY what downstream takes, and complete it. */
void gst_fc_src_settle_allocation (GstFcSrc *self, GstQuery *query);

/* A copy in the layout of the caps of FRAME, which is leased or was copied to
 * COPY. NULL where that fails. */
GstBuffer *gst_fc_src_pack (GstFcSrc *self, const fc_frame_t *frame,
                            GstBuffer *copy);

/* gstfcsrctime.c */

/* Times of a new attachment: BEGIN where reading begins anew. */
void gst_fc_src_time_attached (GstFcSrc *self, gboolean begin);

/* Set BUFFER's times for this frame. FALSE where it has none in this
 * pipeline's running time: it was captured before that began. */
gboolean gst_fc_src_stamp (GstFcSrc *self, const fc_frame_t *frame,
                           GstClockTime *pts, GstClockTime *dts);

/* Learn from FRAME how late frames come; tell the pipeline when that is more
 * than it knows. */
void gst_fc_src_observe_latency (GstFcSrc *self, const fc_frame_t *frame);

/* Whether frames are to be read that are older than the pipeline, all with
 * one shift. */
gboolean gst_fc_src_begins_in_history (GstFcSrc *self);

/* When started, and stopped: take part in agreeing on that shift. Posts
 * messages: no locks. */
void gst_fc_src_join_history (GstFcSrc *self);
void gst_fc_src_leave_history (GstFcSrc *self);

/* No shift from here on. */
void gst_fc_src_end_history (GstFcSrc *self);

/* Work the answer to LATENCY out again; a message where it has changed, or
 * where FORCE. */
void gst_fc_src_update_latency (GstFcSrc *self, gboolean force);

G_END_DECLS

#endif /* GST_FC_SRC_PRIVATE_H */
