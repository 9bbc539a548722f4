import Glibc
import Guardian
import LinuxSystem
import MigrationModel
import WireProtocol

/// The device state of a guest, to and from its hypervisor through its guardian.
enum DeviceStateStream {
    /// Has the guardian save the state of a guest that stands still, and hands on each piece.
    ///
    /// - Parameters:
    ///   - guardian: the guest's guardian.
    ///   - take: takes a piece, on a thread of its own.
    /// - Returns: how many bytes there were.
    /// - Throws: the guardian's error, `E-DEVICE-STATE` for more than `WireLimits.deviceState`, and
    ///   what `take` throws.
    static func save(
        _ guardian: borrowing GuardianClient,
        _ take: @escaping @Sendable ([UInt8]) throws(LivemigError) -> Void
    ) throws(LivemigError) -> UInt64 {
        let ends = try UnixSocket.pair(.stream).release()
        let reading = OwnedDescriptorBox(OwnedDescriptor(owning: ends.first))
        let reader = WorkerThread("device state") {
            // The hypervisor must not wait for somebody who has gone.
            defer { _ = shutdown(reading.descriptor.number, CInt(SHUT_RDWR)) }
            return try Self.forward(from: reading.descriptor.number, take)
        }
        do throws(LivemigError) {
            let writing = OwnedDescriptor(owning: ends.second)
            try guardian.perform(GuardianSave(), with: [writing.number])
        } catch {
            // A hypervisor that still writes is let go, and the reader ends too, also when the
            // guardian, which would see to it, has died.
            _ = shutdown(reading.descriptor.number, CInt(SHUT_RDWR))
            // Where the reader has failed, that is why.
            _ = try result(of: reader)
            throw error
        }
        return try result(of: reader)
    }

    /// Has the guardian load a state into a hypervisor that waits for it.
    /// - Throws: the guardian's error.
    static func load(
        _ state: [UInt8], _ guardian: borrowing GuardianClient
    ) throws(LivemigError) {
        let ends = try UnixSocket.pair(.stream).release()
        let writing = OwnedDescriptorBox(OwnedDescriptor(owning: ends.first))
        let feeder = WorkerThread("device state") {
            try DescriptorIO.write(state, to: writing.descriptor.number, at: "hypervisor")
            _ = shutdown(writing.descriptor.number, CInt(SHUT_WR))
        }
        let reading = OwnedDescriptor(owning: ends.second)
        try guardian.perform(GuardianLoad(), with: [reading.number])
        // What the hypervisor did not read is for it to judge, and it has.
        _ = try? feeder.join()
    }

    private static func result(of reader: WorkerThread<UInt64>) throws(LivemigError) -> UInt64 {
        do {
            return try reader.join()
        } catch let error as LivemigError {
            throw error
        } catch {
            throw LivemigError(.internal, "\(error)")
        }
    }

    private static func forward(
        from descriptor: CInt, _ take: ([UInt8]) throws(LivemigError) -> Void
    ) throws(LivemigError) -> UInt64 {
        var total: UInt64 = 0
        while true {
            let bytes = try DescriptorIO.readFully(upTo: WireLimits.stateChunk, from: descriptor)
            if bytes.isEmpty { return total }
            total += UInt64(bytes.count)
            guard total <= WireLimits.deviceState else {
                throw LivemigError(
                    .deviceState, "the device state exceeds \(ByteCount(WireLimits.deviceState))")
            }
            try take(bytes)
        }
    }
}
