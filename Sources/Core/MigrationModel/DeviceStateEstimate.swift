/// What the device state of a guest takes on its way, before anybody has seen it.
///
/// It can be saved only while the guest stands still, so that its size is not known before.
public enum DeviceStateEstimate {
    /// How large it is, by experience: some hundred KiB, in QEMU as in the reference guest.
    public static let size = ByteCount(256 << 10)
    /// What a hand-over that was measured on a fast path includes of it.
    public static let included: Duration = .milliseconds(10)

    /// What it takes beyond that.
    /// - Parameter bytesPerSecond: what the path carries on one connection.
    public static func extra(bytesPerSecond: Double) -> Duration {
        let seconds = min(Double(size.bytes) / max(bytesPerSecond, 1), 86_400)
        return max(.zero, .seconds(seconds) - included)
    }
}
