import Glibc
import MigrationModel
import Testing
import XMLDocuments

/// A new folder, removed with its files when its owner goes.
final class Folder {
    let path: String

    init() throws {
        path = "/tmp/livemig-xml-\(UInt64.random(in: .min ... .max).hexadecimal)"
        try #require(unsafe mkdir(path, 0o700) == 0)
    }

    deinit {
        guard let directory = unsafe opendir(path) else { return }
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
            }
            if name != ".", name != ".." { _ = unsafe unlink("\(path)/\(name)") }
        }
        unsafe closedir(directory)
        _ = unsafe rmdir(path)
    }

    func write(_ name: String, _ bytes: [UInt8], mode: mode_t = 0o600) throws -> String {
        let file = "\(path)/\(name)"
        let descriptor = unsafe open(file, O_WRONLY | O_CREAT | O_TRUNC, mode)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var offset = 0
        while offset < bytes.count {
            let count = unsafe bytes[offset...].withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            try #require(count > 0)
            offset += count
        }
        try #require(fchmod(descriptor, mode) == 0)
        return file
    }
}

@Suite("Files")
struct DocumentFileTests {
    private func refusal(ofFile path: String) -> LivemigError? {
        do throws(LivemigError) {
            _ = try XMLDocument.read(path: path)
            return nil
        } catch {
            return error
        }
    }

    // Breaks when the limit of the file is off by one; the padding is white space, which is legal.
    @Test("a file of 1 MiB is read, one byte more is refused")
    func length() throws {
        let folder = try Folder()
        let text = Array("<a/>".utf8)
        let padding = [UInt8](repeating: 0x20, count: (1 << 20) - text.count)
        let largest = try folder.write("largest", text + padding)
        let tooLarge = try folder.write("tooLarge", text + padding + [0x20])
        #expect(refusal(ofFile: largest) == nil)
        let error = refusal(ofFile: tooLarge)
        #expect(error?.code == .xmlLimit)
        #expect(error?.place == tooLarge)
    }

    // Breaks when a link is followed, or the open of a FIFO waits for a writer.
    @Test("what is not a regular file is refused", .timeLimit(.minutes(1)))
    func fileTypes() throws {
        let folder = try Folder()
        let file = try folder.write("file", Array("<a/>".utf8))
        let link = "\(folder.path)/link"
        let fifo = "\(folder.path)/fifo"
        try #require(unsafe symlink(file, link) == 0)
        try #require(unsafe mkfifo(fifo, 0o600) == 0)
        #expect(refusal(ofFile: file) == nil)
        for path in [link, fifo, folder.path, "/dev/zero"] {
            #expect(refusal(ofFile: path)?.code == .fileType, "\(path)")
        }
        #expect(refusal(ofFile: "\(folder.path)/none")?.code == .file)
        #expect(refusal(ofFile: "")?.code == .file)
        #expect(refusal(ofFile: "\(file)\0.xml")?.code == .file)
    }

    // Breaks when a file that somebody names is only read where it lies, or a link hides whose file
    // it is.
    @Test("what people name may be behind links, and a pipe", .timeLimit(.minutes(1)))
    func namedFiles() throws {
        let folder = try Folder()
        let text = Array("<a/>".utf8)
        let file = try folder.write("file", text)
        for (name, target) in [
            ("first", "file"), ("second", "\(folder.path)/first"), ("away", "new"),
        ] {
            try #require(unsafe symlink(target, "\(folder.path)/\(name)") == 0)
        }
        let second = "\(folder.path)/second"
        #expect(try DocumentFile.read(path: second, source: .named) == text)
        #expect(try DocumentFile.target(of: second) == "\(folder.path)/file")
        #expect(try DocumentFile.target(of: "\(folder.path)/away") == "\(folder.path)/new")
        try #require(unsafe symlink("loop", "\(folder.path)/loop") == 0)
        #expect(throws: LivemigError.self) {
            _ = try DocumentFile.target(of: "\(folder.path)/loop")
        }
        var ends: [CInt] = [-1, -1]
        try #require(unsafe pipe(&ends) == 0)
        try #require(unsafe write(ends[1], text, text.count) == text.count)
        close(ends[1])
        #expect(try DocumentFile.read(path: "/dev/fd/\(ends[0])", source: .named) == text)
        close(ends[0])
        _ = unsafe chmod(file, 0o666)
        let error = #expect(throws: LivemigError.self) {
            _ = try DocumentFile.read(path: second, source: .named)
        }
        #expect(error?.code == .permission)
        for path in [folder.path, "/dev/zero"] {
            let error = #expect(throws: LivemigError.self) {
                _ = try DocumentFile.read(path: path, source: .named)
            }
            #expect(error?.code == .fileType, "\(path)")
        }
    }

    // Breaks when a file that anybody may change decides which keys are trusted.
    @Test("a file that everybody may write is refused")
    func mode() throws {
        let folder = try Folder()
        let open = try folder.write("open", Array("<a/>".utf8), mode: 0o666)
        #expect(refusal(ofFile: open)?.code == .permission)
        let shared = try folder.write("shared", Array("<a/>".utf8), mode: 0o664)
        #expect(refusal(ofFile: shared) == nil)
    }

    // Breaks when replacing leaves the old contents, a wrong mode, or a temporary file.
    @Test("a file is replaced as a whole, with mode 0600 and nothing left over")
    func replacing() throws {
        let folder = try Folder()
        let path = try folder.write("file", Array("<old/>".utf8), mode: 0o644)
        try DocumentFile.replace(path: path, contents: "<new/>")
        #expect(try DocumentFile.read(path: path) == Array("<new/>".utf8))
        var status = stat()
        try #require(unsafe stat(path, &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o600)
        #expect(throws: LivemigError.self) {
            try DocumentFile.replace(path: "\(folder.path)/none/file", contents: "")
        }
        try #require(unsafe unlink(path) == 0)
        #expect(unsafe rmdir(folder.path) == 0, "a temporary file was left over")
    }
}
