import Glibc
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel
import Testing

@testable import QEMU

extension QEMUTests {
    @Suite("Device state")
    struct DeviceStateTests {
        /// Breaks when guest RAM gets into QEMU's stream.
        @Test("The stream of a 256 MiB guest with 100 MiB of random data is device state only")
        func streamSize() throws {
            let guest = try Guest(try Guest.definition(mebibytes: 256))
            try guest.machine.stop()
            try guest.fillRandom(mebibytes: 64..<164)
            let start = MonotonicTime.now
            let stream = try guest.saved()
            let time = start.elapsed
            #expect(stream.prefix(4) == [0x51, 0x45, 0x56, 0x4D], "magic of the stream")
            #expect(stream.count > 16 << 10)
            #expect(stream.count < 4 << 20, "stream of \(stream.count) bytes in \(time.brief)")
            #expect(try guest.machine.status() == .paused)
            print("device state: \(stream.count) bytes in \(time.brief), \(guest.machine.version)")
        }

        /// Breaks when a guest cannot be resumed after a save, or cannot be saved again later.
        @Test("A saved guest can be resumed and saved again")
        func again() throws {
            let guest = try Guest(try Guest.definition())
            for _ in 0..<3 {
                try guest.machine.stop()
                #expect(try !guest.saved().isEmpty)
                try guest.machine.resume()
                #expect(try guest.machine.status() == .running)
            }
        }

        /// Breaks when state or RAM do not arrive, when the destination starts by itself, or when
        /// it can be resumed before its state is there.
        @Test("A guest is handed over between two QEMUs")
        func handOver() throws {
            let definition = try Guest.definition()
            let source = try Guest(definition)
            let destination = try Guest(definition, .incoming)
            #expect(try destination.machine.status() == .incoming)
            #expect(failure { try destination.machine.resume() }?.code == .vmState)
            #expect(failure { try destination.machine.stop() }?.code == .vmState)
            try source.machine.stop()
            try source.fillRandom(mebibytes: 32..<64)
            let stream = try source.saved()
            try destination.copyMemory(of: source)
            try destination.load(stream)
            #expect(try destination.machine.status() == .paused)
            #expect(try destination.memoryEquals(source))
            source.machine.destroy()
            try destination.machine.resume()
            #expect(try destination.machine.status() == .running)
            destination.machine.announce()
            // And on to a third QEMU: what came in can be sent out again.
            try destination.machine.stop()
            let third = try Guest(definition, .incoming)
            let onward = try destination.saved()
            try third.copyMemory(of: destination)
            try third.load(onward)
            try third.machine.resume()
        }

        /// Breaks when a destination takes a guest that is not the one it was made for.
        @Test(
            "A destination that differs is refused with QEMU's words",
            arguments: [
                Mismatch(memory: 192, words: "Size mismatch"),
                Mismatch(machine: "pc", words: "pc-i440fx"),
                Mismatch(uuid: .random(), words: "UUID"),
            ])
        func mismatch(_ mismatch: Mismatch) throws {
            let definition = try Guest.definition()
            let source = try Guest(definition)
            try source.machine.stop()
            let stream = try source.saved()
            let other = try Guest.definition(
                mebibytes: mismatch.memory, machine: mismatch.machine,
                uuid: mismatch.uuid ?? definition.uuid)
            let destination = try Guest(other, .incoming)
            let error = failure { try destination.load(stream) }
            #expect(error?.code == .destinationQEMU)
            #expect(error?.what.contains("status 1") == true, "\(error as Any)")
            #expect(error?.what.contains(mismatch.words) == true, "\(error as Any)")
            try source.machine.resume()
        }

        struct Mismatch: Sendable, CustomTestStringConvertible {
            var memory: UInt64 = 128
            var machine = "q35"
            var uuid: VMUUID?
            let words: String
            var testDescription: String { words }
        }

        /// Breaks when a stream that is damaged or ends early is taken, or waited for.
        @Test("Garbage, an empty and a cut stream end the destination's QEMU")
        func badStreams() throws {
            let definition = try Guest.definition()
            let source = try Guest(definition)
            try source.machine.stop()
            let stream = try source.saved()
            let garbage = [UInt8](repeating: 0x5A, count: 100_000)
            for bytes in [garbage, [], Array(stream.prefix(stream.count / 2))] {
                let destination = try Guest(definition, .incoming)
                let error = failure { try destination.load(bytes) }
                #expect(error?.code == .destinationQEMU, "\(error as Any)")
                #expect(error?.what.contains("ended with status") == true, "\(error as Any)")
            }
        }

        /// Breaks when a stream that never ends keeps the destination waiting past the deadline.
        @Test("A stream that stalls ends at the deadline")
        func stalledStream() throws {
            let destination = try Guest(try Guest.definition(), .incoming)
            let pair = try UnixSocket.pair(.stream)
            let (writer, reader) = pair.release()
            let writing = OwnedDescriptor(owning: writer)
            let start = MonotonicTime.now
            let error = failure {
                try destination.machine.loadDeviceState(
                    from: OwnedDescriptor(owning: reader), deadline: .now + .milliseconds(500))
            }
            #expect(error?.code == .blackout)
            #expect(start.elapsed < .seconds(3))
            withExtendedLifetime(writing) {}
        }

        /// Breaks when a peer that does not read keeps the guest stopped: QEMU holds its big lock
        /// while it writes the last of the state.
        @Test("A reader that does not read costs the deadline, and the guest runs on")
        func stalledReader() throws {
            let guest = try Guest(try Guest.definition())
            try guest.machine.stop()
            let (reader, writer) = try UnixSocket.pair(.stream).release()
            let reading = OwnedDescriptor(owning: reader)
            let start = MonotonicTime.now
            let error = failure {
                try guest.machine.saveDeviceState(
                    to: OwnedDescriptor(owning: writer), deadline: .now + .milliseconds(500))
            }
            #expect(error?.code == .blackout, "\(error as Any)")
            #expect(start.elapsed < .seconds(2))
            try guest.machine.resume()
            #expect(try guest.machine.status() == .running)
            try guest.machine.stop()
            #expect(try !guest.saved().isEmpty, "the next attempt works")
            withExtendedLifetime(reading) {}
        }

        /// Breaks when a peer that goes away during the save loses the guest.
        @Test("A reader that goes away fails the save, and the guest runs on")
        func vanishedReader() throws {
            let guest = try Guest(try Guest.definition())
            try guest.machine.stop()
            let (reader, writer) = try UnixSocket.pair(.stream).release()
            close(reader)
            let error = failure {
                try guest.machine.saveDeviceState(
                    to: OwnedDescriptor(owning: writer), deadline: .now + .seconds(5))
            }
            #expect(error?.code == .deviceState, "\(error as Any)")
            try guest.machine.resume()
            try guest.machine.stop()
            #expect(try !guest.saved().isEmpty, "the next attempt works")
        }

        /// Breaks when a QEMU that dies during the save is waited for.
        @Test("A QEMU killed while it saves is reported at once")
        func killedWhileSaving() throws {
            let guest = try Guest(try Guest.definition())
            try guest.machine.stop()
            let (reader, writer) = try UnixSocket.pair(.stream).release()
            let process = guest.machine.process
            let killer = WorkerThread("killer") {
                var byte: UInt8 = 0
                _ = unsafe read(reader, &byte, 1)
                kill(process, SIGKILL)
            }
            let start = MonotonicTime.now
            let error = failure {
                try guest.machine.saveDeviceState(
                    to: OwnedDescriptor(owning: writer), deadline: .now + .seconds(10))
            }
            try killer.join()
            close(reader)
            #expect(error != nil)
            #expect(error?.what.contains("status 137") == true, "\(error as Any)")
            #expect(start.elapsed < .seconds(5))
        }
    }
}
