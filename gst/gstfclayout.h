/* framecache: how the bytes of a frame lie
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_LAYOUT_H
#define GST_FC_LAYOUT_H

#include <gst/audio/audio.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/* What a stream's caps say about its frames: raw video, raw audio or neither.
 */
typedef struct
{
  gboolean has_video;
  gboolean has_audio;
  GstVideoInfo video;
  GstAudioInfo audio;
} GstFcLayout;

void gst_fc_layout_set_caps (GstFcLayout *self, const GstCaps *caps);

/* What a GstVideoMeta says about one frame. */
typedef struct
{
  GstVideoFrameFlags flags;
  gint id;
  guint width;
  guint height;
  guint n_planes;
  gsize offset[GST_VIDEO_MAX_PLANES];
  gint stride[GST_VIDEO_MAX_PLANES];
  GstVideoAlignment alignment;
} GstFcVideoLayout;

/* Whether it is INFO's own, but for its flags and alignment. */
gboolean gst_fc_video_layout_is_default (const GstFcVideoLayout *self,
                                         const GstVideoInfo *info);

/* Whether it describes a frame of INFO whose every plane lies within SIZE
 * bytes. True of nothing that it was not asked about: the layout may come
 * from anybody. */
gboolean gst_fc_video_layout_is_sound (const GstFcVideoLayout *self,
                                       const GstVideoInfo *info, gsize size);

/* NULL where the buffer does not take it. */
GstVideoMeta *gst_fc_video_layout_add (const GstFcVideoLayout *self,
                                       const GstVideoInfo *info,
                                       GstBuffer *buffer);

/* Whether a raw video BUFFER lies as INFO says, as far as its first
 * GstVideoMeta tells, and has no other. */
gboolean gst_fc_video_buffer_is_default (GstBuffer *buffer,
                                         const GstVideoInfo *info);

/* Whether planes of SAMPLES samples of INFO at OFFSETS, one for each channel,
 * lie within SIZE bytes and beside each other. */
gboolean gst_fc_audio_planes_are_sound (const GstAudioInfo *info, gsize samples,
                                        const gsize *offsets, gsize size);

G_END_DECLS

#endif /* GST_FC_LAYOUT_H */
