# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ways from one machine's slot to the next one's: their pipelines.

What is in braces is a number or an address of the run's; docs/scaling.md shows
the same pipelines with numbers.
"""

VIEW = "fcsrc slot=cam0 ! h264parse ! avdec_h264 ! fcsink slot={seen}"

ENCODE = ("openh264enc complexity=low rate-control=bitrate bitrate={bitrate} "
          "gop-size={gop} ")
DECODE = "! h264parse ! avdec_h264 "
RTP_H264 = ("application/x-rtp,media=video,clock-rate=90000,"
            "encoding-name=H264,payload=96")
RTP_RAW = ("application/x-rtp,media=video,clock-rate=90000,encoding-name=RAW,"
           "sampling=YCbCr-4:2:0,depth=(string)8,width=(string){width},"
           "height=(string){height},payload=96")
RTP_JPEG = ("application/x-rtp,media=video,clock-rate=90000,"
            "encoding-name=JPEG,payload=26")


class Way:
    """Two pipelines, from fcsrc's "! " on, and up to fcsink's."""

    def __init__(self, what, send, receive):
        self.what, self._send, self._receive = what, send, receive

    def send(self, numbers):
        return ("fcsrc slot=cam0 ! " + self._send.format(**numbers)).split()

    def receive(self, numbers, decode=True):
        words = self._receive if decode else self._receive.replace(DECODE, "")
        return (words.format(**numbers) + "! fcsink slot=cam0").split()


WAYS = {
    "rtp": Way(
        "RTP over UDP, H.264",
        ENCODE + "! rtph264pay config-interval=-1 mtu=1300 "
        "! udpsink host={far} port=5004 sync=false",
        "udpsrc port=5004 buffer-size=2000000 caps=" + RTP_H264 +
        " ! rtpjitterbuffer latency={latency} ! rtph264depay " + DECODE),
    "rtp-nack": Way(
        "the same, lost packets sent again",
        ENCODE + "! rtph264pay config-interval=-1 mtu=1300 "
        "! rtprtxqueue max-size-packets=0 max-size-time=1000 "
        "! b.send_rtp_sink_0 rtpbin name=b rtp-profile=avpf "
        "b.send_rtp_src_0 ! udpsink host={far} port=5004 sync=false "
        "async=false b.send_rtcp_src_0 ! udpsink host={far} port=5005 "
        "sync=false async=false udpsrc port=5007 ! b.recv_rtcp_sink_0",
        "rtpbin name=b rtp-profile=avpf do-retransmission=true "
        "latency={latency} udpsrc port=5004 buffer-size=2000000 caps=" +
        RTP_H264 + ",rtcp-fb-nack-pli=(boolean)true ! b.recv_rtp_sink_0 "
        "udpsrc port=5005 ! b.recv_rtcp_sink_0 b.send_rtcp_src_0 "
        "! udpsink host={near} port=5007 sync=false async=false "
        "b. ! rtph264depay " + DECODE),
    "srt": Way(
        "SRT, H.264 in MPEG-TS",
        ENCODE + "! h264parse config-interval=-1 ! mpegtsmux alignment=7 "
        "! srtsink uri=srt://:7001?mode=listener latency={latency} "
        "wait-for-connection=false sync=false",
        "srtsrc uri=srt://{near}:7001?mode=caller latency={latency} "
        "! tsdemux latency=0 " + DECODE),
    "srt-rtp": Way(
        "SRT, H.264 in RTP",
        ENCODE + "! rtph264pay config-interval=-1 mtu=1316 "
        "! srtsink uri=srt://:7001?mode=listener latency={latency} "
        "wait-for-connection=false sync=false",
        "srtsrc uri=srt://{near}:7001?mode=caller latency={latency} ! " +
        RTP_H264 + " ! rtph264depay " + DECODE),
    "rist": Way(
        "RIST, H.264 in MPEG-TS",
        ENCODE + "! h264parse config-interval=-1 ! mpegtsmux alignment=7 "
        "! rtpmp2tpay ! ristsink address={far} port=5004",
        "ristsrc port=5004 receiver-buffer={latency} reorder-section=10 "
        "min-rtcp-interval=10 "
        "! rtpmp2tdepay ! tsdemux latency=0 " + DECODE),
    "jpeg": Way(
        "RTP over UDP, JPEG",
        "jpegenc quality=85 ! rtpjpegpay mtu=1400 "
        "! udpsink host={far} port=5004 sync=false",
        "udpsrc port=5004 buffer-size=4000000 caps=" + RTP_JPEG +
        " ! rtpjitterbuffer latency={latency} ! rtpjpegdepay ! jpegdec "),
    "raw": Way(
        "RTP over UDP, not coded",
        "rtpvrawpay mtu=1400 ! udpsink host={far} port=5004 sync=false",
        "udpsrc port=5004 buffer-size=4000000 caps=" + RTP_RAW +
        " ! rtpjitterbuffer latency={latency} ! rtpvrawdepay "),
}
