// Package webrtc carries byte streams over WebRTC data channels.
package webrtc
