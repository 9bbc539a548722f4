/// What the device state of a guest takes on its way, before anybody has seen it.
///
/// It can be saved only while the guest stands still, so that its size is not known before.
public enum DeviceStateEstimate {
    /// How large it is where nobody has seen that of the guest: some hundred KiB by experience, in
    /// QEMU as in the reference guest; QEMU's is megabytes with a screen that is drawn on.
    public static let size = ByteCount(256 << 10)
    /// What a hand-over that was measured on a fast path includes of it.
    public static let included: Duration = .milliseconds(10)

    /// What it takes beyond that.
    /// - Parameters:
    ///   - size: how large it is.
    ///   - bytesPerSecond: what the path carries on one connection.
    public static func extra(_ size: ByteCount = size, bytesPerSecond: Double) -> Duration {
        let seconds = min(Double(size.bytes) / max(bytesPerSecond, 1), 86_400)
        return max(.zero, .seconds(seconds) - included)
    }
}
