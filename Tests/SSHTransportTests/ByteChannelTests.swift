import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@Suite("Byte channels over descriptors")
struct ByteChannelTests {
    private func read(_ channel: inout DescriptorChannel, _ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = try unsafe bytes.withUnsafeMutableBytes {
            try unsafe channel.readFully(into: $0)
        }
        return Array(bytes.prefix(got))
    }

    @Test("A socket is closed one way at a time; breaks when the end of writing ends reading")
    func socket() throws {
        let ends = try UnixSocket.pair(.stream).release()
        var left = try DescriptorChannel(socket: OwnedDescriptor(owning: ends.first))
        var right = try DescriptorChannel(socket: OwnedDescriptor(owning: ends.second))
        try left.write([1, 2, 3])
        try left.finishWriting()
        try left.finishWriting()
        #expect(try read(&right, 8) == [1, 2, 3])
        try right.write([4])
        #expect(try read(&left, 1) == [4])
        #expect { try left.write([5]) } throws: { ($0 as? LivemigError)?.code == .internal }
    }

    @Test("The end of a pipe is told by closing it; breaks when its writer is kept open")
    func pipe() throws {
        let ends = try OwnedDescriptor.pipe().release()
        let other = try OwnedDescriptor.pipe().release()
        var writer = DescriptorChannel(
            reading: OwnedDescriptor(owning: other.first),
            writing: OwnedDescriptor(owning: ends.second))
        var reader = DescriptorChannel(
            reading: OwnedDescriptor(owning: ends.first),
            writing: OwnedDescriptor(owning: other.second), stall: .milliseconds(100))
        try writer.write([9])
        #expect(try read(&reader, 1) == [9])
        #expect { _ = try read(&reader, 1) } throws: { ($0 as? LivemigError)?.code == .stall }
        try writer.finishWriting()
        #expect(try read(&reader, 1) == [])
    }
}
